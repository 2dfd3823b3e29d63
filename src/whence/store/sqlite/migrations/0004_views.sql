-- Views with the columns of the original design, for whoever reads the file with SQL. JSON columns are JSON text, times
-- ISO 8601, booleans 0 and 1. What a payload does not have, or has in another shape than its kind, is NULL or passed on:
-- no payload makes a view fail.

-- Records as the views below need them: time, the two halves of a component, and the name of the trace.
CREATE VIEW records_shown AS
SELECT
    r.n,
    lower(hex(r.record_id)) AS id,
    r.kind,
    r.name,
    strftime('%Y-%m-%dT%H:%M:%S', r.ts_ns / 1000000000, 'unixepoch')
    || format('.%06dZ', r.ts_ns % 1000000000 / 1000) AS timestamp,
    r.parent,
    r.stage,
    r.component,
    nullif(substr(r.component, 1, max(instr(r.component, '/') - 1, 0)), '') AS component_type,
    substr(r.component, instr(r.component, '/') + 1) AS component_id,
    r.level,
    iif(r.trace = x'', NULL, coalesce(t.trace_id, lower(hex(r.trace)))) AS trace_id,
    r.payload
FROM records r
LEFT JOIN traces t ON t.id = r.trace;

CREATE VIEW telemetry_events AS
SELECT
    id AS event_id,
    timestamp,
    component,
    name AS event_type,
    payload ->> '$.attributes.input_vector.vector_sha256' AS input_embedding,
    payload ->> '$.attributes.output_vector.vector_sha256' AS output_embedding,
    payload ->> '$.attributes.distance' AS embedding_distance,
    coalesce(payload -> '$.attributes.metadata', '{}') AS metadata,
    payload ->> '$.attributes.duration_ms' AS duration_ms,
    payload ->> '$.attributes.success' AS success,
    -- Only an event that says how it went has a message about that.
    iif(payload ->> '$.attributes.success' IS NOT NULL, nullif(payload ->> '$.message', ''), NULL) AS error_message,
    payload ->> '$.attributes.artifact_id' AS artifact_id,
    trace_id,
    coalesce(payload ->> '$.attributes.phase', nullif(stage, '')) AS phase
FROM records_shown
WHERE kind = 'event';

CREATE VIEW structural_gaps AS
SELECT
    coalesce(payload ->> '$.attributes.gap_id', id) AS gap_id,
    timestamp,
    coalesce(payload ->> '$.attributes.source_component', component) AS source_component,
    coalesce(payload ->> '$.attributes.target_component', payload ->> '$.subject') AS target_component,
    coalesce(payload ->> '$.attributes.artifact_type', name) AS artifact_type,
    payload -> '$.expected' AS expected_schema,
    payload -> '$.actual' AS actual_schema,
    coalesce(payload -> '$.attributes.missing_fields', '[]') AS missing_fields,
    coalesce(payload -> '$.attributes.extra_fields', '[]') AS extra_fields,
    payload ->> '$.attributes.expected_vector.vector_sha256' AS expected_embedding,
    payload ->> '$.attributes.actual_vector.vector_sha256' AS actual_embedding,
    payload ->> '$.score' AS semantic_distance,
    payload ->> '$.attributes.related_dtc' AS related_dtc,
    payload ->> '$.label' AS severity,
    trace_id
FROM records_shown
WHERE kind = 'check' AND payload ->> '$.type' = 'interface' AND json_type(payload, '$.passed') = 'false';

CREATE VIEW transformer_diffs AS
SELECT
    coalesce(payload ->> '$.attributes.diff_id', id) AS diff_id,
    timestamp,
    payload ->> '$.attributes.prompt_id' AS prompt_id,
    payload ->> '$.attributes.generation_id' AS generation_id,
    payload ->> '$.attributes.prompt_vector.vector_sha256' AS prompt_embedding,
    payload ->> '$.attributes.generated_vector.vector_sha256' AS generated_embedding,
    payload ->> '$.attributes.expected_vector.vector_sha256' AS expected_embedding,
    payload ->> '$.attributes.prompt_to_generated' AS prompt_to_generated_distance,
    coalesce(payload ->> '$.score', payload ->> '$.attributes.generated_to_expected') AS generated_to_expected_distance,
    coalesce(payload ->> '$.attributes.generated_artifact_id', payload ->> '$.subject') AS generated_artifact_id,
    payload ->> '$.label' AS status,
    trace_id
FROM records_shown
WHERE kind = 'check' AND payload ->> '$.type' = 'drift';

CREATE VIEW diagnostic_reports AS
SELECT
    coalesce(nullif(payload ->> '$.report_id', ''), id) AS report_id,
    timestamp,
    coalesce(nullif(payload ->> '$.phase', ''), payload ->> '$.body.execution_phase', name) AS execution_phase,
    coalesce(nullif(payload ->> '$.trigger', ''), payload ->> '$.body.trigger_event') AS trigger_event,
    coalesce(payload -> '$.body.detected_dtcs', '[]') AS detected_dtcs,
    coalesce(payload -> '$.body.dtc_details', '{}') AS dtc_details,
    coalesce(payload -> '$.body.structural_gaps', '[]') AS structural_gaps,
    coalesce(payload -> '$.body.embedding_trajectory', '[]') AS embedding_trajectory,
    coalesce(payload -> '$.body.vector_divergence_points', '[]') AS vector_divergence_points,
    coalesce(payload -> '$.body.recommendations', '[]') AS recommendations,
    coalesce(payload -> '$.body.critical_actions', '[]') AS critical_actions,
    payload ->> '$.body.max_severity' AS max_severity,
    payload ->> '$.body.summary' AS summary,
    trace_id
FROM records_shown
WHERE kind = 'report';

CREATE VIEW debug_events AS
SELECT
    id,
    name AS event_type,
    component_type,
    component_id,
    trace_id AS correlation_id,
    coalesce(payload ->> '$.attributes.parent_event_id', iif(length(parent) = 32, parent, NULL)) AS parent_event_id,
    coalesce(
        payload ->> '$.attributes.log_level',
        CASE WHEN level <= 1 THEN 'INFO' WHEN level = 2 THEN 'WARNING' WHEN level = 3 THEN 'ERROR' ELSE 'CRITICAL' END
    ) AS level,
    payload ->> '$.message' AS message,
    coalesce(payload -> '$.attributes.data', '{}') AS data,
    coalesce(payload -> '$.attributes.metadata', '{}') AS event_metadata,
    timestamp
FROM records_shown
WHERE kind = 'event';

CREATE VIEW debug_insights AS
SELECT
    lower(hex(f.occurrence)) AS id,
    coalesce(
        f.finding ->> '$.attributes.insight_type',
        CASE
            WHEN f.code GLOB 'S[0-9]*' THEN 'consistency'
            WHEN f.code GLOB 'O[0-9]*' THEN 'flow'
            WHEN f.code GLOB 'P[0-9]*' THEN 'performance'
            WHEN f.code GLOB 'V[0-9]*' THEN 'anomaly'
            ELSE 'error'
        END
    ) AS insight_type,
    CASE WHEN f.severity <= 1 THEN 'info' WHEN f.severity = 2 THEN 'warning' ELSE 'critical' END AS severity,
    f.finding ->> '$.title' AS title,
    coalesce(f.finding ->> '$.description', '') AS description,
    coalesce(f.finding ->> '$.attributes.summary', f.finding ->> '$.title') AS summary,
    coalesce(f.finding -> '$.evidence', '[]') AS evidence,
    f.finding ->> '$.confidence' AS confidence_score,
    coalesce(f.finding -> '$.suggestions', '[]') AS suggestions,
    coalesce(p.state = 'resolved', 0) AS resolved,
    iif(p.state = 'resolved', p.note, NULL) AS resolution_notes,
    coalesce(f.finding ->> '$.scope', 'run') AS scope,
    (
        SELECT
            json_group_array(
                json_object(
                    'type', nullif(substr(c.value, 1, max(instr(c.value, '/') - 1, 0)), ''),
                    'id', substr(c.value, instr(c.value, '/') + 1)
                )
            )
        FROM json_each(f.finding, '$.components') c
    ) AS affected_components,
    f.finding ->> '$.evidence[0]' AS source_event_id,
    strftime('%Y-%m-%dT%H:%M:%S', f.ts_ns / 1000000000, 'unixepoch')
    || format('.%06dZ', f.ts_ns % 1000000000 / 1000) AS generated_at,
    NULL AS expires_at
FROM findings f
LEFT JOIN problems p ON p.project = f.project AND p.fingerprint = f.fingerprint
WHERE f.live AND NOT EXISTS (
    SELECT 1 FROM findings l
    WHERE l.occurrence = f.occurrence AND l.project = f.project AND (l.ts_ns, l.record_id) > (f.ts_ns, f.record_id)
);

CREATE VIEW debug_state_snapshots AS
SELECT
    id,
    component_type,
    component_id,
    coalesce(payload ->> '$.attributes.operation_id', trace_id) AS operation_id,
    name AS checkpoint_name,
    payload -> '$.state' AS state_data,
    coalesce(payload -> '$.patch', '[]') AS diff_from_previous,
    coalesce(payload ->> '$.type', 'full') AS snapshot_type,
    timestamp AS captured_at
FROM records_shown
WHERE kind = 'snapshot';

CREATE VIEW debug_metrics AS
SELECT
    id,
    name AS metric_name,
    component_type,
    component_id,
    payload ->> '$.value' AS value,
    coalesce(payload ->> '$.unit', '') AS unit,
    coalesce(payload -> '$.dimensions', '{}') AS dimensions,
    timestamp
FROM records_shown
WHERE kind = 'metric';

-- An investigation is the sum of its steps: of what may change the last word counts, what was done adds up.
CREATE VIEW case_steps AS
SELECT
    project, name AS id, ts_ns, record_id,
    strftime('%Y-%m-%dT%H:%M:%S', ts_ns / 1000000000, 'unixepoch')
    || format('.%06dZ', ts_ns % 1000000000 / 1000) AS timestamp,
    coalesce(payload ->> '$.action', 'update') AS action,
    payload ->> '$.title' AS title,
    payload ->> '$.description' AS description,
    nullif(payload -> '$.filters', 'null') AS filters,
    nullif(payload -> '$.scope', 'null') AS scope,
    iif(json_type(payload, '$.events') = 'integer', max(0, min(payload ->> '$.events', 1000000000)), 0) AS events,
    iif(json_type(payload, '$.insights') = 'integer', max(0, min(payload ->> '$.insights', 1000000000)), 0) AS insights,
    iif(json_type(payload, '$.queries') = 'integer', max(0, min(payload ->> '$.queries', 1000000000)), 0) AS queries
FROM records
WHERE kind = 'case';

CREATE VIEW debug_sessions AS
SELECT
    c.id,
    coalesce(
        (
            SELECT s.title FROM case_steps s WHERE s.id = c.id AND s.project = c.project AND s.title IS NOT NULL
            ORDER BY s.ts_ns DESC, s.record_id DESC LIMIT 1
        ),
        c.id
    ) AS session_name,
    (
        SELECT s.description FROM case_steps s
        WHERE s.id = c.id AND s.project = c.project AND s.description IS NOT NULL
        ORDER BY s.ts_ns DESC, s.record_id DESC LIMIT 1
    ) AS description,
    coalesce(
        (
            SELECT s.filters FROM case_steps s WHERE s.id = c.id AND s.project = c.project AND s.filters IS NOT NULL
            ORDER BY s.ts_ns DESC, s.record_id DESC LIMIT 1
        ),
        '{}'
    ) AS filters,
    coalesce(
        (
            SELECT s.scope FROM case_steps s WHERE s.id = c.id AND s.project = c.project AND s.scope IS NOT NULL
            ORDER BY s.ts_ns DESC, s.record_id DESC LIMIT 1
        ),
        '{}'
    ) AS scope,
    c.event_count,
    c.insight_count,
    c.query_count,
    c.closed_at IS NULL AS active,
    c.closed_at IS NOT NULL AS resolved,
    c.created_at,
    c.updated_at,
    c.closed_at
FROM (
    SELECT
        id,
        project,
        sum(events) AS event_count,
        sum(insights) AS insight_count,
        sum(queries) AS query_count,
        min(timestamp) AS created_at,
        max(timestamp) AS updated_at,
        -- Of what opens and closes it the last word; other steps leave it as it is.
        (
            SELECT iif(s.action = 'close', s.timestamp, NULL) FROM case_steps s
            WHERE s.id = case_steps.id AND s.project = case_steps.project AND s.action IN ('open', 'close')
            ORDER BY s.ts_ns DESC, s.record_id DESC LIMIT 1
        ) AS closed_at
    FROM case_steps
    GROUP BY project, id
) c;
