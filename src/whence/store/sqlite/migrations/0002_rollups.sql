-- Hourly roll-ups, so that whatever aggregates a long range never reads the records; and the seed's two views.
-- Sums are of whole numbers (millionths of a score, milliseconds, millionths of a dollar): adding and taking away in
-- any order gives exactly the same.

CREATE TABLE rollup_hours (                                    -- between which arrival numbers an hour's records lie
    hour_ns INTEGER PRIMARY KEY,
    first_n INTEGER NOT NULL,
    last_n INTEGER NOT NULL,
    records INTEGER NOT NULL
) STRICT;

CREATE TABLE rollup_traces (
    hour_ns INTEGER NOT NULL,                                  -- of the start
    project TEXT NOT NULL,
    project_id TEXT NOT NULL,
    project_name TEXT NOT NULL,
    intent TEXT NOT NULL,
    domain TEXT NOT NULL,
    report_type TEXT NOT NULL,
    status TEXT NOT NULL,
    runs INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    quality_millionths INTEGER NOT NULL,
    quality_n INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    duration_n INTEGER NOT NULL,
    cost_millionths INTEGER NOT NULL,
    cost_n INTEGER NOT NULL,
    decisions INTEGER NOT NULL,
    llm_calls INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (hour_ns, project, project_id, project_name, intent, domain, report_type, status)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollup_traces_empty ON rollup_traces (runs) WHERE runs = 0;

CREATE TABLE rollup_principles (                               -- complete traces only
    hour_ns INTEGER NOT NULL,
    project TEXT NOT NULL,
    project_id TEXT NOT NULL,
    project_name TEXT NOT NULL,
    intent TEXT NOT NULL,
    domain TEXT NOT NULL,
    report_type TEXT NOT NULL,
    principle_id TEXT NOT NULL,
    runs INTEGER NOT NULL,
    fails INTEGER NOT NULL,                                    -- scored below 2
    score_millionths INTEGER NOT NULL,
    PRIMARY KEY (hour_ns, project, project_id, project_name, intent, domain, report_type, principle_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollup_principles_empty ON rollup_principles (runs) WHERE runs = 0;

-- What one trace adds to a roll-up.
CREATE VIEW trace_measures AS
SELECT
    id,
    started_ns - started_ns % 3600000000000 AS hour_ns,
    project,
    coalesce(project_id, '') AS project_id,
    coalesce(project_name, '') AS project_name,
    coalesce(intent, '') AS intent,
    coalesce(domain, '') AS domain,
    coalesce(report_type, '') AS report_type,
    status,
    quality_gate_passed IS 1 AS passed,
    quality_gate_passed IS 0 AS failed,
    CAST(coalesce(min(max(overall_quality_score, -1e6), 1e6) * 1e6 + 0.5, 0) AS INTEGER) AS quality_millionths,
    overall_quality_score IS NOT NULL AS quality_n,
    CAST(coalesce(min(max(duration_seconds, -1e9), 1e9) * 1e3 + 0.5, 0) AS INTEGER) AS duration_ms,
    duration_seconds IS NOT NULL AS duration_n,
    CAST(coalesce(min(max(total_cost_usd, -1e6), 1e6) * 1e6 + 0.5, 0) AS INTEGER) AS cost_millionths,
    total_cost_usd IS NOT NULL AS cost_n,
    decisions,
    llm_calls,
    coalesce(min(max(total_tokens, -1000000000000), 1000000000000), 0) AS tokens
FROM traces;

INSERT INTO rollup_hours
SELECT ts_ns - ts_ns % 3600000000000, min(n), max(n), count(*) FROM records GROUP BY 1;

INSERT INTO rollup_traces
SELECT
    hour_ns, project, project_id, project_name, intent, domain, report_type, status,
    count(*), sum(passed), sum(failed), sum(quality_millionths), sum(quality_n), sum(duration_ms), sum(duration_n),
    sum(cost_millionths), sum(cost_n), sum(decisions), sum(llm_calls), sum(tokens)
FROM trace_measures GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;

INSERT INTO rollup_principles
SELECT
    hour_ns, project, project_id, project_name, intent, domain, report_type, principle_id,
    count(*), sum(score < 2), sum(CAST(min(max(score, -1e6), 1e6) * 1e6 + 0.5 AS INTEGER))
FROM trace_measures JOIN trace_principles USING (id) WHERE status = 'complete' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;

CREATE VIEW trace_quality_gaps AS
SELECT
    trace_id,
    project_id,
    intent,
    domain,
    report_type,
    overall_quality_score,
    quality_gate_passed,
    gap_principles,
    principle_scores,
    started_at,
    coalesce(project_name, project_id, project) AS project_name
FROM traces
WHERE status = 'complete' AND gap_principles <> '[]'
ORDER BY started_ns DESC, id DESC;

CREATE VIEW trace_intent_summary AS
SELECT
    nullif(intent, '') AS intent,
    sum(runs) AS total_runs,
    sum(passed) AS passed,
    sum(failed) AS failed,
    sum(quality_millionths) / 1e6 / nullif(sum(quality_n), 0) AS avg_quality,
    sum(duration_ms) / 1e3 / nullif(sum(duration_n), 0) AS avg_duration,
    sum(cost_millionths) / 1e6 / nullif(sum(cost_n), 0) AS avg_cost
FROM rollup_traces
WHERE status = 'complete'
GROUP BY 1
ORDER BY total_runs DESC;
