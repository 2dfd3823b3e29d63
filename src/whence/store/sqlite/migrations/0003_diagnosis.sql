-- What diagnosis keeps: findings with their occurrences, problems, digests of runs, vectors, and what components did.
-- Findings and problems of an older file are made anew from its records afterwards (schema.py): that takes a hash.

DROP TABLE findings;
CREATE TABLE findings (
    n INTEGER PRIMARY KEY REFERENCES records (n),
    record_id BLOB NOT NULL,
    ts_ns INTEGER NOT NULL,
    trace BLOB NOT NULL,
    project TEXT NOT NULL,
    code TEXT NOT NULL,
    severity INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,                                 -- its first 200 characters
    occurrence BLOB NOT NULL CHECK (length(occurrence) = 16),
    sure INTEGER NOT NULL,
    live INTEGER NOT NULL,                                     -- 0: taken back
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    finding TEXT NOT NULL                                      -- JSON, whole
) STRICT;
CREATE INDEX findings_trace ON findings (trace);
CREATE INDEX findings_code ON findings (code);
CREATE INDEX findings_fingerprint ON findings (fingerprint);
CREATE INDEX findings_ts ON findings (ts_ns);
CREATE INDEX findings_occurrence ON findings (occurrence, ts_ns, record_id);
-- All that a problem follows from, so that one of very many occurrences is counted without reading them.
CREATE INDEX findings_problem
ON findings (project, fingerprint, occurrence, ts_ns, record_id, severity, sure, live, first_ns, last_ns);

CREATE TRIGGER findings_refuse_update BEFORE UPDATE ON findings
BEGIN SELECT raise(ABORT, 'findings are append-only: a finding is never changed'); END;
CREATE TRIGGER findings_refuse_delete BEFORE DELETE ON findings
BEGIN SELECT raise(ABORT, 'findings are append-only: a finding is never deleted'); END;

CREATE TABLE finding_components (                              -- whom a finding affects
    component TEXT NOT NULL,
    n INTEGER NOT NULL REFERENCES findings (n),
    PRIMARY KEY (component, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE finding_states (                                  -- what people said of problems
    n INTEGER PRIMARY KEY REFERENCES records (n),
    record_id BLOB NOT NULL,
    ts_ns INTEGER NOT NULL,
    project TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    state TEXT NOT NULL,
    "by" TEXT NOT NULL,
    note TEXT NOT NULL
) STRICT;
CREATE INDEX finding_states_problem ON finding_states (project, fingerprint, ts_ns, record_id);

CREATE TABLE problems (                                        -- follows from findings and finding_states
    id TEXT NOT NULL,
    project TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    code TEXT NOT NULL,
    title TEXT NOT NULL,
    severity INTEGER NOT NULL,
    state TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    confidence REAL,
    components TEXT NOT NULL,                                  -- JSON
    trace BLOB NOT NULL,
    record_id BLOB NOT NULL,
    n INTEGER NOT NULL REFERENCES findings (n),                -- the newest finding
    changed_ns INTEGER,
    "by" TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (project, fingerprint)
) STRICT;
CREATE INDEX problems_id ON problems (id);
CREATE INDEX problems_last ON problems (last_ns, id);
CREATE INDEX problems_of_project ON problems (project, last_ns, id);
CREATE INDEX problems_code ON problems (code, last_ns, id);

CREATE TABLE vectors (
    sha256 BLOB PRIMARY KEY NOT NULL CHECK (length(sha256) = 32),
    ts_ns INTEGER NOT NULL,
    data BLOB NOT NULL                                         -- 32-bit floats, little end first
) STRICT;

CREATE TABLE digests (                                         -- what runs were like
    id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),      -- OpenTelemetry trace id
    started_ns INTEGER NOT NULL,
    ended_ns INTEGER NOT NULL,
    project TEXT NOT NULL,
    records INTEGER NOT NULL,
    last_record TEXT NOT NULL,
    digest TEXT NOT NULL                                       -- JSON, whole
) STRICT;
CREATE INDEX digests_started ON digests (started_ns, id);
CREATE INDEX digests_of_project ON digests (project, started_ns, id);

-- Records by what caused them: only ids of records, since spans are found with their trace.
CREATE INDEX records_parent ON records (parent) WHERE length(parent) = 32;

-- What components did, by the minute; and by the hour, so that a week of many is summed in milliseconds. Hours come
-- first in the one and components in the other: hours of a window say which minutes of which components to look at.
CREATE TABLE rollup_activity (
    component TEXT NOT NULL,
    project TEXT NOT NULL,
    minute_ns INTEGER NOT NULL,
    records INTEGER NOT NULL,
    errors INTEGER NOT NULL,                                   -- of level high and above, or with an error
    spans INTEGER NOT NULL,                                    -- ended
    failed INTEGER NOT NULL,                                   -- of them, with an error
    duration_ms INTEGER NOT NULL,                              -- of all of them
    PRIMARY KEY (component, project, minute_ns)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_activity_hours (
    hour_ns INTEGER NOT NULL,
    component TEXT NOT NULL,
    project TEXT NOT NULL,
    first_ns INTEGER NOT NULL,                                 -- the first minute in which anything happened
    last_ns INTEGER NOT NULL,                                  -- and the last
    records INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    spans INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    PRIMARY KEY (hour_ns, component, project)
) STRICT, WITHOUT ROWID;

-- What one record adds to roll-ups. Records that whence or people made (whence.model.record.OF_OURS, and the ends of runs that
-- a drainer says) are no activity of any component: theirs is NULL.
CREATE VIEW record_measures AS
SELECT
    n,
    ts_ns - ts_ns % 60000000000 AS minute_ns,
    project,
    CASE
        WHEN kind IN ('trace.document', 'trace.flag', 'finding', 'finding.state', 'report', 'case', 'cost') THEN NULL
        WHEN component = 'whence' OR component GLOB 'whence.*' THEN NULL
        WHEN component = '' THEN stage
        ELSE component
    END AS component,
    level >= 3
    OR (kind = 'span.end' AND coalesce(json_type(payload, '$.error'), 'null') <> 'null') AS errors,
    kind = 'span.end' AS spans,
    iif(kind = 'span.end', coalesce(json_type(payload, '$.error'), 'null') <> 'null', 0) AS failed,
    CASE
        WHEN kind = 'span.end' AND coalesce(json_type(payload, '$.duration_ns'), '') IN ('integer', 'real')
        THEN (CAST(max(0, min(payload ->> '$.duration_ns', 10000000000000000)) AS INTEGER) + 500000) / 1000000
        ELSE 0
    END AS duration_ms
FROM records;

-- A row that is added here is added to every roll-up of records: those of a batch are then sorted only once.
CREATE VIEW tallies AS
SELECT
    component, project, minute_ns, NULL AS first_n, NULL AS last_n, records, errors, spans, failed, duration_ms
FROM rollup_activity;
CREATE TRIGGER tallies_insert INSTEAD OF INSERT ON tallies
BEGIN
    INSERT INTO rollup_hours (hour_ns, first_n, last_n, records)
    VALUES (new.minute_ns - new.minute_ns % 3600000000000, new.first_n, new.last_n, new.records)
    ON CONFLICT DO UPDATE SET
        first_n = min(first_n, excluded.first_n),
        last_n = max(last_n, excluded.last_n),
        records = records + excluded.records;
    INSERT INTO rollup_activity
    SELECT new.component, new.project, new.minute_ns, new.records, new.errors, new.spans, new.failed, new.duration_ms
    WHERE new.component IS NOT NULL
    ON CONFLICT DO UPDATE SET
        records = records + excluded.records,
        errors = errors + excluded.errors,
        spans = spans + excluded.spans,
        failed = failed + excluded.failed,
        duration_ms = duration_ms + excluded.duration_ms;
    INSERT INTO rollup_activity_hours
    SELECT
        new.minute_ns - new.minute_ns % 3600000000000, new.component, new.project, new.minute_ns, new.minute_ns,
        new.records, new.errors, new.spans, new.failed, new.duration_ms
    WHERE new.component IS NOT NULL
    ON CONFLICT DO UPDATE SET
        first_ns = min(first_ns, excluded.first_ns),
        last_ns = max(last_ns, excluded.last_ns),
        records = records + excluded.records,
        errors = errors + excluded.errors,
        spans = spans + excluded.spans,
        failed = failed + excluded.failed,
        duration_ms = duration_ms + excluded.duration_ms;
END;

DELETE FROM rollup_hours;
INSERT INTO tallies
SELECT
    component, project, minute_ns, min(n), max(n), count(*), sum(errors), sum(spans), sum(failed), sum(duration_ms)
FROM record_measures GROUP BY component, project, minute_ns;
