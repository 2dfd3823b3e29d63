-- Records in order of arrival, and what is derived from each of them.

CREATE TABLE records (
    n INTEGER PRIMARY KEY,                                     -- order of arrival
    record_id BLOB NOT NULL CHECK (length(record_id) = 16),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    ts_ns INTEGER NOT NULL CHECK (ts_ns >= 0),
    trace BLOB NOT NULL CHECK (length(trace) IN (0, 16)),      -- x'' when the record belongs to no trace
    span TEXT NOT NULL,
    parent TEXT NOT NULL,
    stage TEXT NOT NULL,
    project TEXT NOT NULL,
    component TEXT NOT NULL,
    level INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    payload TEXT NOT NULL,                                     -- JSON; last, so that a scan of the rest stays short
    UNIQUE (record_id, project)
) STRICT;

-- Each ends in n by itself, so a lookup comes out in order of arrival and can stop at its limit.
CREATE INDEX records_trace ON records (trace);
CREATE INDEX records_kind ON records (kind);
CREATE INDEX records_name ON records (name);
CREATE INDEX records_component ON records (component) WHERE component <> '';
CREATE INDEX records_high ON records (n) WHERE level >= 3;

CREATE TRIGGER records_refuse_update BEFORE UPDATE ON records
BEGIN SELECT raise(ABORT, 'records are append-only: a record is never changed'); END;
CREATE TRIGGER records_refuse_delete BEFORE DELETE ON records
BEGIN SELECT raise(ABORT, 'records are append-only: a record is never deleted'); END;

CREATE TABLE contents (
    c INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),
    ts_ns INTEGER NOT NULL,
    text TEXT                                                  -- NULL: erased, and erased it stays
) STRICT;

CREATE TABLE content_uses (                                    -- which record refers to which text
    sha256 BLOB NOT NULL,
    n INTEGER NOT NULL REFERENCES records (n),
    PRIMARY KEY (sha256, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE findings (
    n INTEGER PRIMARY KEY REFERENCES records (n),
    record_id BLOB NOT NULL,
    ts_ns INTEGER NOT NULL,
    trace BLOB NOT NULL,
    project TEXT NOT NULL,
    code TEXT NOT NULL,
    severity INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    finding TEXT NOT NULL                                      -- JSON, whole
) STRICT;
CREATE INDEX findings_trace ON findings (trace);
CREATE INDEX findings_code ON findings (code);
CREATE INDEX findings_fingerprint ON findings (fingerprint);

CREATE TRIGGER findings_refuse_update BEFORE UPDATE ON findings
BEGIN SELECT raise(ABORT, 'findings are append-only: a finding is never changed'); END;
CREATE TRIGGER findings_refuse_delete BEFORE DELETE ON findings
BEGIN SELECT raise(ABORT, 'findings are append-only: a finding is never deleted'); END;

CREATE TABLE quarantine (                                      -- what came as a record and is none
    q INTEGER PRIMARY KEY,
    ts_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    data BLOB NOT NULL                                         -- its beginning
) STRICT;

CREATE TABLE traces (
    id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),      -- OpenTelemetry trace id
    trace_id TEXT NOT NULL UNIQUE,
    project_id TEXT,
    query TEXT,
    intent TEXT,
    domain TEXT,
    report_type TEXT,
    research_type TEXT,
    status TEXT NOT NULL DEFAULT 'in_progress',
    quality_gate_passed INTEGER,
    overall_quality_score REAL,
    started_at TEXT NOT NULL,
    completed_at TEXT,
    duration_seconds REAL,
    intake_duration REAL,
    rubric_duration REAL,
    collection_duration REAL,
    synthesis_duration REAL,
    quality_gate_duration REAL,
    evidence_collected INTEGER,
    evidence_passed INTEGER,
    evidence_filtered INTEGER,
    synthesis_model TEXT,
    synthesis_input_tokens INTEGER,
    synthesis_output_tokens INTEGER,
    synthesis_cost_usd REAL,
    principle_scores TEXT NOT NULL DEFAULT '{}',
    gap_principles TEXT NOT NULL DEFAULT '[]',
    strength_principles TEXT NOT NULL DEFAULT '[]',
    iteration_count INTEGER NOT NULL DEFAULT 1,
    quality_gate_failures INTEGER NOT NULL DEFAULT 0,
    trace_file_path TEXT,
    report_file_path TEXT,
    output_file_paths TEXT NOT NULL DEFAULT '[]',
    flagged_for_review INTEGER NOT NULL DEFAULT 0,
    review_notes TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    -- what the seed found lacking
    project TEXT NOT NULL DEFAULT '',
    project_name TEXT,
    parent_trace_id TEXT,
    started_ns INTEGER NOT NULL,
    error TEXT,
    reason TEXT,
    writer TEXT NOT NULL DEFAULT '',
    stage_durations TEXT NOT NULL DEFAULT '{}',
    decisions INTEGER NOT NULL DEFAULT 0,
    records INTEGER NOT NULL DEFAULT 0,
    llm_calls INTEGER NOT NULL DEFAULT 0,
    total_tokens INTEGER,
    total_cost_usd REAL,
    tracing_overhead_ms REAL,
    dropped INTEGER NOT NULL DEFAULT 0,
    document_error TEXT
) STRICT;

CREATE INDEX idx_traces_intent ON traces (intent, started_ns, id);
CREATE INDEX idx_traces_domain ON traces (domain, started_ns, id);
CREATE INDEX idx_traces_report_type ON traces (report_type, started_ns, id);
CREATE INDEX idx_traces_status ON traces (status, started_ns, id);
CREATE INDEX idx_traces_quality_gate ON traces (quality_gate_passed, started_ns, id);
CREATE INDEX idx_traces_project ON traces (project_id);
CREATE INDEX idx_traces_project_name ON traces (project_name);
CREATE INDEX idx_traces_started ON traces (started_ns DESC, id DESC);
CREATE INDEX idx_traces_overall_score ON traces (overall_quality_score);
CREATE INDEX idx_traces_flagged ON traces (started_ns, id) WHERE flagged_for_review = 1;
CREATE INDEX idx_traces_parent ON traces (parent_trace_id) WHERE parent_trace_id IS NOT NULL;
CREATE INDEX idx_traces_open ON traces (writer) WHERE status = 'in_progress';

CREATE TABLE trace_principles (                                -- principle_scores, one row each
    id BLOB NOT NULL REFERENCES traces (id),
    principle_id TEXT NOT NULL,
    score REAL NOT NULL,
    PRIMARY KEY (id, principle_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_traces_principle_scores ON trace_principles (principle_id, score);

-- Full text: names, words for people and kept text, 2 kB of them; of contents the first 2 kB. `detail = none` finds
-- words and prefixes and no phrases, for a fifth less work than the full index.
CREATE VIEW records_text AS
SELECT
    n,
    substr(concat_ws(' ',
        name,
        payload ->> '$.message',
        payload ->> '$.why',
        payload ->> '$.what',
        coalesce(payload ->> '$.error.message', payload ->> '$.error'),
        payload ->> '$.query',
        payload ->> '$.title',
        payload ->> '$.attributes.prompt',
        payload ->> '$.attributes.response',
        payload ->> '$.data'
    ), 1, 2048) AS text
FROM records;

CREATE VIEW contents_text AS SELECT c, substr(text, 1, 2048) AS text FROM contents WHERE text IS NOT NULL;

CREATE VIRTUAL TABLE records_fts USING fts5 (
    text, content = 'records_text', content_rowid = 'n',
    detail = 'none', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE contents_fts USING fts5 (
    text, content = 'contents_text', content_rowid = 'c',
    detail = 'none', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
-- An erased text leaves nothing in the index either.
INSERT INTO contents_fts (contents_fts, rank) VALUES ('secure-delete', 1);

CREATE TABLE full_text (                                       -- one row: what is in the index so far
    indexed_n INTEGER NOT NULL,                                -- records up to here
    indexed_c INTEGER NOT NULL                                 -- contents up to here
) STRICT;
INSERT INTO full_text VALUES (0, 0);
