-- Every statement that the SQLite store runs, each under a name and a sentence. `queries.py` reads this file.
-- /*filters*/ stands for a conjunction of the fragments at the end of it; values are always bound.


-- == writing ==

-- insert_records --
-- Take a batch: one JSON array of records. One statement, because SQLite then works a whole batch without Python's
-- lock; and jsonb_each, because it does not write each member out as text to parse it again (1.7 times as fast).
INSERT INTO records (
    record_id, kind, name, ts_ns, trace, span, parent, stage, project, component, level, flags, payload
)
SELECT
    unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4), value ->> 5, value ->> 6,
    value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value -> 12
FROM jsonb_each(:batch)
WHERE true
ON CONFLICT DO NOTHING

-- insert_contents --
-- Keep texts, each once: [[sha256, ts_ns, text], …]. One statement: each row of its own is one more wait for Python's lock.
INSERT INTO contents (sha256, ts_ns, text)
SELECT unhex(value ->> 0), value ->> 1, value ->> 2 FROM jsonb_each(:contents) WHERE true
ON CONFLICT DO NOTHING

-- last_n --
-- The number of the record that arrived last.
SELECT coalesce(max(n), 0) FROM records

-- link_contents --
-- Note which of the new records refer to which text.
INSERT OR IGNORE INTO content_uses (sha256, n)
SELECT unhex(j.atom), r.n
FROM records r, json_tree(r.payload) j
WHERE r.n > :before AND instr(r.payload, '"content_sha256"') AND j.key = 'content_sha256' AND length(unhex(j.atom)) = 32

-- insert_vectors --
-- Keep packed vectors, each once: [[sha256, ts_ns, hex], …].
INSERT INTO vectors (sha256, ts_ns, data)
SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2) FROM jsonb_each(:vectors) WHERE true
ON CONFLICT DO NOTHING

-- insert_digests --
-- Put what runs were like in the place of what was said before, unless that knew more: [[id, started_ns, ended_ns,
-- project, records, last_record, digest], …].
INSERT INTO digests (id, started_ns, ended_ns, project, records, last_record, digest)
SELECT
    unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value -> 6
FROM jsonb_each(:digests)
WHERE true
ON CONFLICT (id) DO UPDATE SET
    started_ns = excluded.started_ns,
    ended_ns = excluded.ended_ns,
    project = excluded.project,
    records = excluded.records,
    last_record = excluded.last_record,
    digest = excluded.digest
WHERE (excluded.records, excluded.last_record) >= (records, last_record)

-- new_findings --
-- The records in a range that are findings, or say something of problems.
SELECT n, record_id, kind, name, ts_ns, trace, span, parent, stage, project, component, level, flags,
    CAST(payload AS BLOB)
FROM records WHERE n > :after AND n <= :until AND kind IN ('finding', 'finding.state')

-- insert_findings --
-- Put findings into their table: [[n, record_id, ts_ns, trace, project, code, severity, fingerprint, occurrence, sure,
-- live, first_ns, last_ns, finding], …].
INSERT INTO findings (
    n, record_id, ts_ns, trace, project, code, severity, fingerprint, occurrence, sure, live, first_ns, last_ns, finding
)
SELECT
    value ->> 0, unhex(value ->> 1), value ->> 2, unhex(value ->> 3), value ->> 4, value ->> 5, value ->> 6,
    value ->> 7, unhex(value ->> 8), value ->> 9, value ->> 10, value ->> 11, value ->> 12, value -> 13
FROM jsonb_each(:findings)

-- insert_finding_components --
-- Note whom findings affect: [[component, n], …].
INSERT OR IGNORE INTO finding_components (component, n)
SELECT value ->> 0, value ->> 1 FROM json_each(:components)

-- insert_finding_states --
-- Note what people said of problems: [[n, record_id, ts_ns, project, fingerprint, state, by, note], …].
INSERT INTO finding_states (n, record_id, ts_ns, project, fingerprint, state, "by", note)
SELECT
    value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
FROM jsonb_each(:states)

-- problem_facts --
-- What the rows of some problems follow from, as one JSON text: [[project, fingerprint], …] in, whence.store.findings.Facts
-- out. The first part reads the index findings_problem and nothing else; the newest finding is found by one text that
-- sorts as (live, last_ns, record_id) does and ends in its number. What was taken back counts only where all was.
WITH counted AS MATERIALIZED (
    SELECT
        f.project,
        f.fingerprint,
        sum(f.live) AS count,
        coalesce(max(iif(f.live, f.severity, NULL)), max(f.severity)) AS severity,
        coalesce(max(iif(f.live, f.sure, NULL)), max(f.sure)) AS sure,
        coalesce(min(iif(f.live, f.first_ns, NULL)), min(f.first_ns)) AS first_ns,
        coalesce(max(iif(f.live, f.last_ns, NULL)), max(f.last_ns)) AS last_ns,
        CAST(substr(max(f.live || format('%020d', f.last_ns) || hex(f.record_id) || f.n), 54) AS INTEGER) AS n
    FROM json_each(:problems) w
    CROSS JOIN findings f ON f.project = w.value ->> 0 AND f.fingerprint = w.value ->> 1
    WHERE NOT EXISTS (
        SELECT 1 FROM findings l
        WHERE l.project = f.project AND l.fingerprint = f.fingerprint AND l.occurrence = f.occurrence
            AND (l.ts_ns, l.record_id) > (f.ts_ns, f.record_id)
    )
    GROUP BY w.key
)
SELECT json_group_array(
    json_array(
        c.project, c.fingerprint, c.count, c.severity, c.sure, c.first_ns, c.last_ns,
        lower(hex(f.record_id)), lower(hex(f.trace)), f.code, f.finding -> '$.title',
        f.finding -> '$.confidence', json(coalesce(f.finding -> '$.components', '[]')),
        s.state, s.ts_ns, coalesce(s."by", ''), coalesce(s.note, ''), f.n
    )
)
FROM counted c
CROSS JOIN findings f ON f.n = c.n
LEFT JOIN finding_states s ON s.n = (
    SELECT n FROM finding_states
    WHERE project = c.project AND fingerprint = c.fingerprint ORDER BY ts_ns DESC, record_id DESC LIMIT 1
)

-- upsert_problems --
-- Put rows of problems in the place of those before: a JSON array of arrays, in the order of the columns.
INSERT INTO problems (
    id, project, fingerprint, code, title, severity, state, count, first_ns, last_ns, confidence, components, trace,
    record_id, changed_ns, "by", note, n
)
SELECT
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10, value -> 11, unhex(value ->> 12), unhex(value ->> 13), value ->> 14,
    value ->> 15, value ->> 16, value ->> 17
FROM jsonb_each(:rows)
WHERE true
ON CONFLICT (project, fingerprint) DO UPDATE SET
    code = excluded.code,
    title = excluded.title,
    severity = excluded.severity,
    state = excluded.state,
    count = excluded.count,
    first_ns = excluded.first_ns,
    last_ns = excluded.last_ns,
    confidence = excluded.confidence,
    components = excluded.components,
    trace = excluded.trace,
    record_id = excluded.record_id,
    changed_ns = excluded.changed_ns,
    "by" = excluded."by",
    note = excluded.note,
    n = excluded.n

-- roll_up_records --
-- Add the new records to the roll-ups of records.
INSERT INTO tallies
SELECT
    component, project, minute_ns, min(n), max(n), count(*), sum(errors), sum(spans), sum(failed), sum(duration_ms)
FROM record_measures WHERE n > :before GROUP BY component, project, minute_ns

-- touched_traces --
-- The traces of the new records, as one JSON text: what is new about each, and what its row says so far.
SELECT json_group_array(
    json_array(
        lower(hex(new.trace)), new.records, new.decisions, new.llm_calls, new.ends, new.own,
        t.status, t.records, t.decisions, t.llm_calls
    )
    ORDER BY new.first_n
)
FROM (
    SELECT
        trace,
        min(n) AS first_n,
        count(*) AS records,
        sum(kind = 'decision') AS decisions,
        sum(CASE WHEN kind = 'span.end' THEN payload ->> '$.type' IS 'llm' ELSE 0 END) AS llm_calls,
        max(kind = 'trace.end') AS ends,
        max(kind IN ('trace.start', 'trace.end', 'trace.document', 'trace.flag')) AS own
    FROM records
    WHERE n > :before AND trace <> x''
    GROUP BY +trace -- the plus: or SQLite walks the index over every trace there is, to have them in order
) AS new
LEFT JOIN traces t ON t.id = new.trace

-- records_of_ended --
-- Of each of some ended traces the counts, and the records that its row depends on (whence.model.assembly): two JSON
-- texts in one row, because each row that SQLite hands over is one more wait for Python's lock. What no row depends on
-- is left out: component, level, flags.
WITH facts AS MATERIALIZED (
    SELECT
        trace,
        count(*) AS records,
        sum(kind = 'decision') AS decisions,
        min(n) AS first_n,
        min(iif(project <> '', n, NULL)) AS named_n
    FROM records
    WHERE trace IN (SELECT unhex(value) FROM json_each(:traces))
    GROUP BY trace
)
SELECT
    (SELECT json_group_array(json_array(lower(hex(trace)), records, decisions)) FROM facts),
    (
        SELECT '[' || group_concat(
        '["' || lower(hex(r.record_id)) || '",' || json_quote(r.kind) || ',' || json_quote(r.name) || ',' || r.ts_ns
        || ',"' || lower(hex(r.trace)) || '",' || json_quote(r.span) || ',' || json_quote(r.parent) || ','
        || json_quote(r.stage) || ',' || json_quote(r.project) || ',"",0,0,' || r.payload || ']',
        ',' ORDER BY r.n) || ']'
        FROM facts f CROSS JOIN records r ON r.trace = f.trace
        WHERE
            +r.n IN (f.first_n, f.named_n)
            OR +r.kind IN (
                'trace.start', 'trace.end', 'trace.document', 'trace.flag',
                'span.start', 'span.end', 'attempt', 'outputs', 'cost'
            )
            OR (+r.kind = 'decision' AND coalesce(nullif(r.stage, ''), r.name) = 'quality_gate')
            OR (+r.kind = 'evidence' AND coalesce(nullif(r.stage, ''), r.name) IN ('collection', 'quality_gate'))
            OR (+r.kind = 'prompts' AND coalesce(nullif(r.stage, ''), r.name) = 'synthesis')
    )

-- records_of_open --
-- Of each of some open traces the first record and those about the trace as a whole, as one JSON text like the above.
WITH facts AS MATERIALIZED (
    SELECT trace, min(n) AS first_n FROM records
    WHERE trace IN (SELECT unhex(value) FROM json_each(:traces)) GROUP BY trace
)
SELECT '[' || group_concat(
        '["' || lower(hex(r.record_id)) || '",' || json_quote(r.kind) || ',' || json_quote(r.name) || ',' || r.ts_ns
        || ',"' || lower(hex(r.trace)) || '",' || json_quote(r.span) || ',' || json_quote(r.parent) || ','
        || json_quote(r.stage) || ',' || json_quote(r.project) || ',"",0,0,' || r.payload || ']',
        ',' ORDER BY r.n) || ']'
FROM facts f CROSS JOIN records r ON r.trace = f.trace
WHERE +r.n = f.first_n OR +r.kind IN ('trace.start', 'trace.end', 'trace.document', 'trace.flag')

-- names_taken --
-- Whether another trace has one of these names already: [[id, name], …].
SELECT EXISTS (
    SELECT 1 FROM json_each(:names) j JOIN traces t ON t.trace_id = j.value ->> 1 WHERE t.id <> unhex(j.value ->> 0)
)

-- upsert_traces --
-- Put rows in the place of those before: a JSON array of arrays, in the order of the columns.
INSERT INTO traces (
    id, trace_id, project_id, query, intent, domain, report_type, research_type, status, quality_gate_passed,
    overall_quality_score, started_at, completed_at, duration_seconds, intake_duration, rubric_duration,
    collection_duration, synthesis_duration, quality_gate_duration, evidence_collected, evidence_passed,
    evidence_filtered, synthesis_model, synthesis_input_tokens, synthesis_output_tokens, synthesis_cost_usd,
    principle_scores, gap_principles, strength_principles, iteration_count, quality_gate_failures, trace_file_path,
    report_file_path, output_file_paths, flagged_for_review, review_notes, created_at, updated_at, project,
    project_name, parent_trace_id, started_ns, error, reason, writer, stage_durations, decisions, records,
    llm_calls, total_tokens, total_cost_usd, tracing_overhead_ms, dropped, document_error
)
SELECT
    unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15,
    value ->> 16, value ->> 17, value ->> 18, value ->> 19, value ->> 20, value ->> 21, value ->> 22, value ->> 23,
    value ->> 24, value ->> 25, value -> 26, value -> 27, value -> 28, value ->> 29, value ->> 30, value ->> 31,
    value ->> 32, value -> 33, value ->> 34, value ->> 35, value ->> 36, value ->> 37, value ->> 38, value ->> 39,
    value ->> 40, value ->> 41, value ->> 42, value ->> 43, value ->> 44, value -> 45, value ->> 46, value ->> 47,
    value ->> 48, value ->> 49, value ->> 50, value ->> 51, value ->> 52, value ->> 53
FROM jsonb_each(:rows)
WHERE true
ON CONFLICT (id) DO UPDATE SET
    trace_id = excluded.trace_id,
    project_id = excluded.project_id,
    query = excluded.query,
    intent = excluded.intent,
    domain = excluded.domain,
    report_type = excluded.report_type,
    research_type = excluded.research_type,
    status = excluded.status,
    quality_gate_passed = excluded.quality_gate_passed,
    overall_quality_score = excluded.overall_quality_score,
    started_at = excluded.started_at,
    completed_at = excluded.completed_at,
    duration_seconds = excluded.duration_seconds,
    intake_duration = excluded.intake_duration,
    rubric_duration = excluded.rubric_duration,
    collection_duration = excluded.collection_duration,
    synthesis_duration = excluded.synthesis_duration,
    quality_gate_duration = excluded.quality_gate_duration,
    evidence_collected = excluded.evidence_collected,
    evidence_passed = excluded.evidence_passed,
    evidence_filtered = excluded.evidence_filtered,
    synthesis_model = excluded.synthesis_model,
    synthesis_input_tokens = excluded.synthesis_input_tokens,
    synthesis_output_tokens = excluded.synthesis_output_tokens,
    synthesis_cost_usd = excluded.synthesis_cost_usd,
    principle_scores = excluded.principle_scores,
    gap_principles = excluded.gap_principles,
    strength_principles = excluded.strength_principles,
    iteration_count = excluded.iteration_count,
    quality_gate_failures = excluded.quality_gate_failures,
    trace_file_path = excluded.trace_file_path,
    report_file_path = excluded.report_file_path,
    output_file_paths = excluded.output_file_paths,
    flagged_for_review = excluded.flagged_for_review,
    review_notes = excluded.review_notes,
    updated_at = excluded.updated_at,
    project = excluded.project,
    project_name = excluded.project_name,
    parent_trace_id = excluded.parent_trace_id,
    started_ns = excluded.started_ns,
    error = excluded.error,
    reason = excluded.reason,
    writer = excluded.writer,
    stage_durations = excluded.stage_durations,
    decisions = excluded.decisions,
    records = excluded.records,
    llm_calls = excluded.llm_calls,
    total_tokens = excluded.total_tokens,
    total_cost_usd = excluded.total_cost_usd,
    tracing_overhead_ms = excluded.tracing_overhead_ms,
    dropped = excluded.dropped,
    document_error = excluded.document_error

-- count_up_traces --
-- Count new records of open traces: [[id, records, decisions, llm_calls], …].
UPDATE traces
SET
    records = traces.records + (j.value ->> 1),
    decisions = traces.decisions + (j.value ->> 2),
    llm_calls = traces.llm_calls + (j.value ->> 3),
    updated_at = :now
FROM json_each(:counts) j
WHERE traces.id = unhex(j.value ->> 0)

-- measure_traces --
-- Add traces to their roll-up (sign 1), or take them out of it before they change (sign -1).
INSERT INTO rollup_traces
SELECT
    hour_ns, project, project_id, project_name, intent, domain, report_type, status,
    :sign * count(*), :sign * sum(passed), :sign * sum(failed),
    :sign * sum(quality_millionths), :sign * sum(quality_n),
    :sign * sum(duration_ms), :sign * sum(duration_n),
    :sign * sum(cost_millionths), :sign * sum(cost_n),
    :sign * sum(decisions), :sign * sum(llm_calls), :sign * sum(tokens)
FROM trace_measures
WHERE id IN (SELECT unhex(value) FROM json_each(:ids))
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
ON CONFLICT DO UPDATE SET
    runs = runs + excluded.runs,
    passed = passed + excluded.passed,
    failed = failed + excluded.failed,
    quality_millionths = quality_millionths + excluded.quality_millionths,
    quality_n = quality_n + excluded.quality_n,
    duration_ms = duration_ms + excluded.duration_ms,
    duration_n = duration_n + excluded.duration_n,
    cost_millionths = cost_millionths + excluded.cost_millionths,
    cost_n = cost_n + excluded.cost_n,
    decisions = decisions + excluded.decisions,
    llm_calls = llm_calls + excluded.llm_calls,
    tokens = tokens + excluded.tokens

-- measure_principles --
-- The same for the principles of complete traces.
INSERT INTO rollup_principles
SELECT
    hour_ns, project, project_id, project_name, intent, domain, report_type, principle_id,
    :sign * count(*), :sign * sum(score < 2),
    :sign * sum(CAST(min(max(score, -1e6), 1e6) * 1e6 + 0.5 AS INTEGER))
FROM trace_measures JOIN trace_principles USING (id)
WHERE id IN (SELECT unhex(value) FROM json_each(:ids)) AND +status = 'complete' -- by id, not by status
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
ON CONFLICT DO UPDATE SET
    runs = runs + excluded.runs,
    fails = fails + excluded.fails,
    score_millionths = score_millionths + excluded.score_millionths

-- drop_principles --
-- Forget the scores of traces whose rows change.
DELETE FROM trace_principles WHERE id IN (SELECT unhex(value) FROM json_each(:ids))

-- insert_principles --
-- Note the scores of traces, one row each.
INSERT INTO trace_principles (id, principle_id, score)
SELECT t.id, j.key, j.value
FROM json_each(:ids) i JOIN traces t ON t.id = unhex(i.value) JOIN json_each(t.principle_scores) j

-- drop_empty_traces --
-- A roll-up has no rows over nothing, so that rebuilding it gives the same table.
DELETE FROM rollup_traces WHERE runs = 0

-- drop_empty_principles --
-- As above.
DELETE FROM rollup_principles WHERE runs = 0

-- rebuild_rollups --
-- Make every roll-up anew.
DELETE FROM rollup_hours;
DELETE FROM rollup_traces;
DELETE FROM rollup_principles;
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
DELETE FROM rollup_activity;
DELETE FROM rollup_activity_hours;
INSERT INTO tallies
SELECT
    component, project, minute_ns, min(n), max(n), count(*), sum(errors), sum(spans), sum(failed), sum(duration_ms)
FROM record_measures GROUP BY component, project, minute_ns

-- full_text_place --
-- How far the full-text index has come, and how far it could go.
SELECT
    indexed_n, (SELECT coalesce(max(n), 0) FROM records), indexed_c, (SELECT coalesce(max(c), 0) FROM contents)
FROM full_text

-- index_records --
-- Put records into the full-text index.
INSERT INTO records_fts (rowid, text) SELECT n, text FROM records_text WHERE n > :after AND n <= :until

-- index_contents --
-- Put contents into the full-text index.
INSERT INTO contents_fts (rowid, text) SELECT c, text FROM contents_text WHERE c > :after AND c <= :until

-- full_text_reached --
-- Note how far the index has come.
UPDATE full_text SET indexed_n = ?, indexed_c = ?

-- quarantine --
-- Keep the beginning of what is no record.
INSERT INTO quarantine (ts_ns, reason, data) VALUES (?, ?, ?)

-- shorten_quarantine --
-- Keep the newest only: a broken client must not fill the disk.
DELETE FROM quarantine WHERE q <= (SELECT max(q) FROM quarantine) - :most

-- erased_place --
-- Where a text that can be erased lies, and whether the full-text index has it.
SELECT c, c <= (SELECT indexed_c FROM full_text) FROM contents WHERE sha256 = ? AND text IS NOT NULL

-- unindex_content --
-- Take a text out of the full-text index; it must still be there to be taken out.
INSERT INTO contents_fts (contents_fts, rowid, text) SELECT 'delete', c, text FROM contents_text WHERE c = ?

-- erase_content --
-- Overwrite a text with nothing (secure_delete zeroes its place).
UPDATE contents SET text = NULL WHERE c = ?


-- == reading ==

-- record --
-- The record with an id, of any project.
SELECT record_id, kind, name, ts_ns, trace, span, parent, stage, project, component, level, flags,
    CAST(payload AS BLOB)
FROM records WHERE record_id = ? LIMIT 1

-- records --
-- Matching records in order of arrival.
SELECT n, record_id, kind, name, ts_ns, trace, span, parent, stage, project, component, level, flags,
    CAST(payload AS BLOB)
FROM records WHERE /*filters*/ ORDER BY n LIMIT ?

-- records_newest_first --
-- Matching records, the last to arrive first.
SELECT n, record_id, kind, name, ts_ns, trace, span, parent, stage, project, component, level, flags,
    CAST(payload AS BLOB)
FROM records WHERE /*filters*/ ORDER BY n DESC LIMIT ?

-- numbers_in_window --
-- Between which numbers the records of some hours lie.
SELECT min(first_n), max(last_n) FROM rollup_hours WHERE hour_ns >= ? AND hour_ns < ?

-- trace_records --
-- Every record of a trace, in order of arrival.
SELECT record_id, kind, name, ts_ns, trace, span, parent, stage, project, component, level, flags,
    CAST(payload AS BLOB)
FROM records WHERE trace = ? ORDER BY n

-- trace --
-- The row of a trace, by its OpenTelemetry id.
SELECT
    id, trace_id, project_id, query, intent, domain, report_type, research_type, status, quality_gate_passed,
    overall_quality_score, started_at, completed_at, duration_seconds, intake_duration, rubric_duration,
    collection_duration, synthesis_duration, quality_gate_duration, evidence_collected, evidence_passed,
    evidence_filtered, synthesis_model, synthesis_input_tokens, synthesis_output_tokens, synthesis_cost_usd,
    principle_scores, gap_principles, strength_principles, iteration_count, quality_gate_failures, trace_file_path,
    report_file_path, output_file_paths, flagged_for_review, review_notes, created_at, updated_at, project,
    project_name, parent_trace_id, started_ns, error, reason, writer, stage_durations, decisions, records,
    llm_calls, total_tokens, total_cost_usd, tracing_overhead_ms, dropped, document_error
FROM traces WHERE id = ?

-- trace_by_name --
-- The row of a trace, by its trc_ name.
SELECT
    id, trace_id, project_id, query, intent, domain, report_type, research_type, status, quality_gate_passed,
    overall_quality_score, started_at, completed_at, duration_seconds, intake_duration, rubric_duration,
    collection_duration, synthesis_duration, quality_gate_duration, evidence_collected, evidence_passed,
    evidence_filtered, synthesis_model, synthesis_input_tokens, synthesis_output_tokens, synthesis_cost_usd,
    principle_scores, gap_principles, strength_principles, iteration_count, quality_gate_failures, trace_file_path,
    report_file_path, output_file_paths, flagged_for_review, review_notes, created_at, updated_at, project,
    project_name, parent_trace_id, started_ns, error, reason, writer, stage_durations, decisions, records,
    llm_calls, total_tokens, total_cost_usd, tracing_overhead_ms, dropped, document_error
FROM traces WHERE trace_id = ?

-- traces --
-- Matching traces, newest start first.
SELECT
    id, trace_id, project_id, query, intent, domain, report_type, research_type, status, quality_gate_passed,
    overall_quality_score, started_at, completed_at, duration_seconds, intake_duration, rubric_duration,
    collection_duration, synthesis_duration, quality_gate_duration, evidence_collected, evidence_passed,
    evidence_filtered, synthesis_model, synthesis_input_tokens, synthesis_output_tokens, synthesis_cost_usd,
    principle_scores, gap_principles, strength_principles, iteration_count, quality_gate_failures, trace_file_path,
    report_file_path, output_file_paths, flagged_for_review, review_notes, created_at, updated_at, project,
    project_name, parent_trace_id, started_ns, error, reason, writer, stage_durations, decisions, records,
    llm_calls, total_tokens, total_cost_usd, tracing_overhead_ms, dropped, document_error
FROM traces WHERE /*filters*/ ORDER BY started_ns DESC, id DESC LIMIT ?

-- count_traces --
-- How many traces match, counting no further than a limit.
SELECT count(*) FROM (SELECT 1 FROM traces WHERE /*filters*/ LIMIT ?)

-- traces_like --
-- Names of traces that contain a text, in the name or in the OpenTelemetry id; newest first.
SELECT trace_id FROM traces
WHERE instr(trace_id, :text) > 0 OR instr(lower(hex(id)), :text) > 0
ORDER BY started_ns DESC, id DESC LIMIT :limit

-- open_traces --
-- Traces that a writer began and nobody has ended, oldest first.
SELECT id FROM traces WHERE writer = ? AND status = 'in_progress' ORDER BY started_ns, id

-- content --
-- A text by its hash.
SELECT text FROM contents WHERE sha256 = ?

-- records_using --
-- Records that refer to a text, the last to arrive first. CROSS keeps this order of the tables: from the text to its
-- records, never over all records of a kind.
SELECT r.record_id, r.kind, r.name, r.ts_ns, r.trace, r.span, r.parent, r.stage, r.project, r.component, r.level,
    r.flags, CAST(r.payload AS BLOB)
FROM content_uses u CROSS JOIN records r ON r.n = u.n
WHERE u.sha256 = ? AND /*filters*/ ORDER BY u.n DESC LIMIT ?

-- findings --
-- Matching findings, the last to arrive first; of each occurrence what was said of it last.
SELECT record_id, ts_ns, trace, project, lower(hex(occurrence)), CAST(finding AS BLOB)
FROM findings
WHERE NOT EXISTS (
        SELECT 1 FROM findings l
        WHERE l.occurrence = findings.occurrence AND l.project = findings.project
            AND (l.ts_ns, l.record_id) > (findings.ts_ns, findings.record_id)
    )
    AND /*filters*/
ORDER BY n DESC LIMIT ?

-- finding --
-- A finding by the id of its record, else by that of its occurrence.
SELECT record_id, ts_ns, trace, project, lower(hex(occurrence)), CAST(finding AS BLOB)
FROM findings
WHERE n = coalesce(
    (
        SELECT f.n FROM records r CROSS JOIN findings f ON f.n = r.n
        WHERE r.record_id = :id ORDER BY r.n LIMIT 1
    ),
    (SELECT n FROM findings WHERE occurrence = :id ORDER BY ts_ns DESC, record_id DESC, n LIMIT 1)
)

-- problems --
-- Matching problems, the one seen last first.
SELECT id, project, fingerprint, code, title, severity, state, count, first_ns, last_ns, confidence, components,
    lower(hex(trace)), lower(hex(record_id)), changed_ns, "by", note
FROM problems WHERE count > 0 AND /*filters*/ ORDER BY last_ns DESC, id DESC LIMIT ?

-- problem --
-- Problems whose id begins with some digits (from these to those), two at most: one is the one, two are too many.
SELECT id, project, fingerprint, code, title, severity, state, count, first_ns, last_ns, confidence, components,
    lower(hex(trace)), lower(hex(record_id)), changed_ns, "by", note
FROM problems WHERE id >= ? AND id < ? LIMIT 2

-- vector --
-- A packed vector by its hash.
SELECT data FROM vectors WHERE sha256 = ?

-- digest --
-- What a run was like.
SELECT CAST(digest AS BLOB) FROM digests WHERE id = ?

-- digests --
-- What runs were like, in order of their start.
SELECT id, CAST(digest AS BLOB) FROM digests WHERE /*filters*/ ORDER BY started_ns, id LIMIT ?

-- digests_newest_first --
-- The same, the last start first.
SELECT id, CAST(digest AS BLOB) FROM digests WHERE /*filters*/ ORDER BY started_ns DESC, id DESC LIMIT ?

-- undigested --
-- Matching traces that have ended and have no digest; newest start first.
SELECT id FROM traces
WHERE +status <> 'in_progress'
    AND NOT EXISTS (SELECT 1 FROM digests d WHERE d.id = traces.id)
    AND /*filters*/
ORDER BY started_ns DESC, id DESC LIMIT ?

-- activity --
-- What components did within whole hours, and in the minutes before and after them.
SELECT
    component, sum(records) AS done, sum(errors), sum(spans), sum(failed), sum(duration_ms), min(first_ns), max(last_ns)
FROM (
    SELECT hour_ns, component, project, first_ns, last_ns, records, errors, spans, failed, duration_ms
    FROM rollup_activity_hours
    WHERE hour_ns >= :first_hour AND hour_ns < :last_hour
    UNION ALL
    SELECT
        h.hour_ns, m.component, m.project, m.minute_ns, m.minute_ns, m.records, m.errors, m.spans, m.failed, m.duration_ms
    FROM rollup_activity_hours h
    CROSS JOIN rollup_activity m
        ON m.component = h.component AND m.project = h.project
            AND m.minute_ns BETWEEN max(h.hour_ns, :since) AND min(h.hour_ns + 3599999999999, :until - 1)
    WHERE h.hour_ns IN (:hour_before, :hour_after)
)
WHERE /*filters*/
GROUP BY component ORDER BY done DESC, component

-- activity_by_minute --
-- The same minute by minute. Hours of the window say where there is anything.
SELECT
    m.component, m.minute_ns, sum(m.records), sum(m.errors), sum(m.spans), sum(m.failed), sum(m.duration_ms)
FROM rollup_activity_hours h
CROSS JOIN rollup_activity m
    ON m.component = h.component AND m.project = h.project
        AND m.minute_ns BETWEEN max(h.hour_ns, :since) AND min(h.hour_ns + 3599999999999, :until - 1)
WHERE h.hour_ns >= :since_hour AND h.hour_ns < :until AND /*filters*/
GROUP BY m.minute_ns, m.component

-- search_records --
-- Records whose own words match, the last to arrive first.
SELECT f.rowid, snippet(records_fts, 0, '‹', '›', '…', 24), coalesce(t.trace_id, ''),
    r.record_id, r.kind, r.name, r.ts_ns, r.trace, r.span, r.parent, r.stage, r.project, r.component, r.level, r.flags,
    CAST(r.payload AS BLOB)
FROM records_fts f JOIN records r ON r.n = f.rowid LEFT JOIN traces t ON t.id = r.trace
WHERE records_fts MATCH :words AND f.rowid < :before
ORDER BY f.rowid DESC LIMIT :limit

-- search_contents --
-- Records that refer to a text whose words match, the last to arrive first.
SELECT u.n, snippet(contents_fts, 0, '‹', '›', '…', 24), coalesce(t.trace_id, ''),
    r.record_id, r.kind, r.name, r.ts_ns, r.trace, r.span, r.parent, r.stage, r.project, r.component, r.level, r.flags,
    CAST(r.payload AS BLOB)
FROM contents_fts f
JOIN contents c ON c.c = f.rowid
JOIN content_uses u ON u.sha256 = c.sha256
JOIN records r ON r.n = u.n
LEFT JOIN traces t ON t.id = r.trace
WHERE contents_fts MATCH :words AND u.n < :before
ORDER BY u.n DESC LIMIT :limit

-- totals --
-- Sums over traces per value of a dimension, from the roll-up.
SELECT
    /*key*/ AS key,
    sum(runs),
    sum(iif(status = 'in_progress', runs, 0)),
    sum(iif(status = 'complete', runs, 0)),
    sum(iif(status = 'failed', runs, 0)),
    sum(iif(status = 'incomplete', runs, 0)),
    sum(iif(status <> 'in_progress', passed, 0)),
    sum(iif(status <> 'in_progress', failed, 0)),
    sum(iif(status = 'complete', quality_millionths, 0)), sum(iif(status = 'complete', quality_n, 0)),
    sum(iif(status = 'complete', duration_ms, 0)), sum(iif(status = 'complete', duration_n, 0)),
    sum(iif(status = 'complete', cost_millionths, 0)), sum(iif(status = 'complete', cost_n, 0)),
    sum(decisions),
    sum(llm_calls),
    sum(tokens)
FROM rollup_traces WHERE /*filters*/ GROUP BY key ORDER BY key

-- principle_patterns --
-- Principles that failed often, the most failures first.
SELECT principle_id, sum(fails) AS fail_count, sum(score_millionths), sum(runs)
FROM rollup_principles WHERE /*filters*/
GROUP BY principle_id HAVING fail_count >= ? ORDER BY fail_count DESC, principle_id


-- stats --
-- How much there is of everything.
SELECT
    (SELECT coalesce(sum(records), 0) FROM rollup_hours),
    (SELECT count(*) FROM traces),
    (SELECT count(*) FROM contents WHERE text IS NOT NULL),
    (SELECT count(*) FROM findings),
    (SELECT count(*) FROM problems),
    (SELECT count(*) FROM vectors),
    (SELECT count(*) FROM digests),
    (SELECT count(*) FROM quarantine),
    (SELECT max(version) FROM schema_version),
    (SELECT ts_ns FROM records ORDER BY n DESC LIMIT 1)


-- == fragments of filters ==
-- The + keeps SQLite from an index: one condition is chosen to be looked up, the others are checked.

-- any --
-- No condition.
true

-- record_trace --
-- Looked up.
trace = ?

-- record_name --
-- Looked up.
name = ?

-- record_component --
-- Looked up; its second half says that the partial index will do.
component = ? AND component <> ''

-- record_parent --
-- Looked up; its second half says that the partial index will do.
parent = ? AND length(parent) = 32

-- check_parent --
-- Checked.
+parent = ?

-- check_components --
-- Checked.
+component IN (SELECT value FROM json_each(?))

-- record_kind --
-- Looked up.
kind = ?

-- record_high --
-- Looked up: the index over level high and critical.
level >= 3

-- check_trace --
-- Checked.
+trace = ?

-- check_name --
-- Checked.
+name = ?

-- check_component --
-- Checked.
+component = ?

-- check_kinds --
-- Checked.
+kind IN (SELECT value FROM json_each(?))

-- check_stage --
-- Checked.
stage = ?

-- check_record_project --
-- Checked.
+project = ?

-- check_level --
-- Checked.
level >= ?

-- check_since --
-- Checked.
ts_ns >= ?

-- check_until --
-- Checked.
ts_ns < ?

-- numbers --
-- The range of arrival that a window lies in.
n BETWEEN ? AND ?

-- after_n --
-- Where the page before ended.
n > ?

-- before_n --
-- Where the page before ended, newest first.
n < ?

-- text_equals --
-- A text in the payload, and the same.
(json_type(payload, ?) IS 'text' AND payload ->> ? IS ?)

-- text_differs --
-- Anything else.
NOT (json_type(payload, ?) IS 'text' AND payload ->> ? IS ?)

-- text_below --
-- A text in the payload that sorts before.
(json_type(payload, ?) IS 'text' AND payload ->> ? < ?)

-- text_up_to --
-- A text in the payload that does not sort after.
(json_type(payload, ?) IS 'text' AND payload ->> ? <= ?)

-- text_above --
-- A text in the payload that sorts after.
(json_type(payload, ?) IS 'text' AND payload ->> ? > ?)

-- text_from --
-- A text in the payload that does not sort before.
(json_type(payload, ?) IS 'text' AND payload ->> ? >= ?)

-- number_equals --
-- A number in the payload, and the same.
(coalesce(json_type(payload, ?), '') IN ('integer', 'real') AND payload ->> ? IS ?)

-- number_differs --
-- Anything else.
NOT (coalesce(json_type(payload, ?), '') IN ('integer', 'real') AND payload ->> ? IS ?)

-- number_below --
-- A smaller number in the payload.
(coalesce(json_type(payload, ?), '') IN ('integer', 'real') AND payload ->> ? < ?)

-- number_up_to --
-- A number in the payload that is not greater.
(coalesce(json_type(payload, ?), '') IN ('integer', 'real') AND payload ->> ? <= ?)

-- number_above --
-- A greater number in the payload.
(coalesce(json_type(payload, ?), '') IN ('integer', 'real') AND payload ->> ? > ?)

-- number_from --
-- A number in the payload that is not smaller.
(coalesce(json_type(payload, ?), '') IN ('integer', 'real') AND payload ->> ? >= ?)

-- type_equals --
-- true, false or null in the payload; null is also what is missing.
coalesce(json_type(payload, ?), 'null') = ?

-- type_differs --
-- Anything else.
coalesce(json_type(payload, ?), 'null') <> ?

-- contains --
-- The text there, or any text directly in the list or object there, holds this one.
EXISTS (SELECT 1 FROM json_each(payload, ?) WHERE type = 'text' AND instr(value, ?) > 0)

-- finding_trace --
-- Looked up: about a trace.
trace = ?

-- finding_fingerprint --
-- Looked up: the same thing again.
fingerprint = ?

-- finding_code --
-- Looked up.
code = ?

-- finding_component --
-- Looked up: among the affected.
n IN (SELECT c.n FROM finding_components c WHERE c.component = ?)

-- finding_since --
-- Looked up: said then or later.
ts_ns >= ?

-- finding_live --
-- Not taken back.
live

-- finding_until --
-- Looked up: said before.
ts_ns < ?

-- check_finding_fingerprint --
-- Checked.
+fingerprint = ?

-- check_finding_code --
-- Checked.
+code = ?

-- check_finding_codes --
-- Checked.
+code IN (SELECT value FROM json_each(?))

-- check_finding_component --
-- Checked.
EXISTS (SELECT 1 FROM finding_components c WHERE c.component = ? AND c.n = findings.n)

-- check_finding_since --
-- Checked.
+ts_ns >= ?

-- check_finding_until --
-- Checked.
+ts_ns < ?

-- check_severity --
-- Checked.
severity >= ?

-- problem_project --
-- Looked up.
project = ?

-- problem_code --
-- Looked up.
code = ?

-- check_problem_code --
-- Checked.
+code = ?

-- check_problem_states --
-- Checked.
state IN (SELECT value FROM json_each(?))

-- check_problem_component --
-- Checked: among the affected.
EXISTS (SELECT 1 FROM finding_components c WHERE c.component = ? AND c.n = problems.n)

-- seen_since --
-- Seen then or later.
last_ns >= ?

-- seen_until --
-- Seen last before.
last_ns < ?

-- problem_after --
-- Where the page before ended.
(last_ns, id) < (?, ?)

-- digest_project --
-- Looked up.
project = ?

-- digest_ended_before --
-- Ended by then.
ended_ns > 0 AND ended_ns < ?

-- activity_project --
-- Of a project.
project = :project

-- activity_component --
-- Of one component.
component = :component

-- minute_project --
-- Of a project.
h.project = :project

-- minute_component --
-- Of one component.
h.component = :component

-- trace_project --
-- By name or id, else by the project of its records (C1.17).
(
    (? <> '' AND (project_name = ? OR project_id = ?))
    OR (ifnull(project_name, '') = '' AND ifnull(project_id, '') = '' AND project = ?)
)

-- trace_intent --
-- Given, and this.
intent = ?

-- trace_no_intent --
-- Not given.
ifnull(intent, '') = ?

-- trace_domain --
-- Given, and this.
domain = ?

-- trace_no_domain --
-- Not given.
ifnull(domain, '') = ?

-- trace_report_type --
-- Given, and this.
report_type = ?

-- trace_no_report_type --
-- Not given.
ifnull(report_type, '') = ?

-- trace_research_type --
-- Given, and this.
research_type = ?

-- trace_parent_trace_id --
-- Children of a trace.
parent_trace_id = ?

-- trace_writer --
-- Begun by a spool writer.
writer = ?

-- trace_status --
-- Of one status.
status = ?

-- trace_statuses --
-- Of any of these.
+status IN (SELECT value FROM json_each(?))

-- trace_gate --
-- By the gate's word.
quality_gate_passed = ?

-- trace_flagged --
-- Marked for review (an index of its own).
flagged_for_review = 1

-- trace_unflagged --
-- Not marked for review.
flagged_for_review = 0

-- trace_principle --
-- Scored on a principle.
EXISTS (SELECT 1 FROM trace_principles p WHERE p.id = traces.id AND p.principle_id = ?)

-- trace_principle_below --
-- Scored lower than this on a principle.
EXISTS (SELECT 1 FROM trace_principles p WHERE p.id = traces.id AND p.principle_id = ? AND p.score < ?)

-- trace_since --
-- Started then or later.
started_ns >= ?

-- trace_until --
-- Started before.
started_ns < ?

-- trace_after --
-- Where the page before ended.
(started_ns, id) < (?, ?)

-- hour_since --
-- From this hour on.
hour_ns >= ?

-- hour_until --
-- Before this hour.
hour_ns < ?

-- key_none --
-- All in one.
''

-- key_intent --
-- By intent.
intent

-- key_domain --
-- By domain.
domain

-- key_report_type --
-- By type of report.
report_type

-- key_status --
-- By status.
status

-- key_project --
-- By project.
coalesce(nullif(project_name, ''), nullif(project_id, ''), project)

-- key_hour --
-- By hour of the start.
hour_ns

-- key_day --
-- By day of the start.
hour_ns - hour_ns % 86400000000000
