"""The tables, as a list of migrations: entry N brings a store from version N to N + 1.

A migration is never edited once released; a change is a new entry. `user_version` holds the version.
"""

APPLICATION_ID = 0x4B484152
"""Marks a file as ours, so that another program's database is never touched."""

_FIRST = """
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    command TEXT NOT NULL,
    config TEXT NOT NULL,
    state TEXT NOT NULL,
    owner TEXT NOT NULL,
    created TEXT NOT NULL,
    ended TEXT
);
CREATE TABLE prompts (
    hash TEXT PRIMARY KEY,
    problem TEXT NOT NULL,
    stage TEXT NOT NULL,
    gpu TEXT NOT NULL,
    record TEXT NOT NULL,
    created TEXT NOT NULL
);
CREATE TABLE replies (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    run TEXT NOT NULL REFERENCES runs (id),
    state TEXT NOT NULL,
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    sample INTEGER NOT NULL,
    prompt_hash TEXT,
    parameters TEXT NOT NULL,
    problem TEXT,
    stage TEXT,
    gpu TEXT,
    source TEXT,
    code_file TEXT,
    metrics_file TEXT,
    is_code INTEGER NOT NULL,
    text TEXT,
    finish_reason TEXT,
    usage TEXT NOT NULL,
    model_id TEXT,
    latency_s REAL,
    extra TEXT NOT NULL,
    error TEXT,
    created TEXT NOT NULL,
    ended TEXT
);
CREATE INDEX replies_key ON replies (key, state);
CREATE INDEX replies_run ON replies (run);
CREATE TABLE verdicts (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    problem TEXT NOT NULL,
    problem_hash TEXT NOT NULL,
    candidate_hash TEXT NOT NULL,
    stage TEXT,
    stage_hash TEXT,
    current_hash TEXT,
    context_hash TEXT,
    rules TEXT NOT NULL,
    device TEXT,
    size TEXT,
    gpu_name TEXT,
    evaluator TEXT NOT NULL,
    seconds REAL NOT NULL,
    record TEXT NOT NULL,
    created TEXT NOT NULL
);
CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (id),
    reply INTEGER NOT NULL REFERENCES replies (id),
    verdict INTEGER REFERENCES verdicts (id),
    candidate TEXT,
    problem TEXT NOT NULL,
    stage TEXT,
    gpu TEXT,
    rules TEXT NOT NULL,
    device TEXT,
    size TEXT,
    gpu_name TEXT,
    evaluator TEXT NOT NULL,
    error TEXT,
    void_reason TEXT,
    created TEXT NOT NULL
);
CREATE INDEX attempts_reply ON attempts (reply);
CREATE TABLE run_attempts (
    run TEXT NOT NULL REFERENCES runs (id),
    attempt TEXT NOT NULL REFERENCES attempts (id),
    PRIMARY KEY (run, attempt)
) WITHOUT ROWID;
"""

_COUNTED_CALLS = """
ALTER TABLE replies ADD COLUMN tries INTEGER NOT NULL DEFAULT 1;
ALTER TABLE replies ADD COLUMN cost REAL;
ALTER TABLE replies ADD COLUMN error_kind TEXT;
CREATE UNIQUE INDEX replies_bought ON replies (key) WHERE state = 'received';
CREATE INDEX replies_open ON replies (owner) WHERE state = 'pending';
CREATE TABLE run_replies (
    run TEXT NOT NULL REFERENCES runs (id),
    reply INTEGER NOT NULL REFERENCES replies (id),
    PRIMARY KEY (run, reply)
) WITHOUT ROWID;
INSERT INTO run_replies SELECT run, id FROM replies WHERE state = 'received';
"""

_MEASURES = """
CREATE TABLE measures (
    verdict INTEGER PRIMARY KEY REFERENCES verdicts (id),
    kind TEXT,
    device TEXT,
    gpu TEXT,
    open INTEGER,
    stage INTEGER,
    candidate_ms REAL,
    speedup_eager REAL,
    speedup_compile REAL,
    speedup_current REAL,
    fraction_of_floor REAL,
    bytes REAL,
    copy_gb_per_s REAL,
    broken TEXT NOT NULL
);
INSERT INTO measures SELECT id,
    coalesce(json_extract(record, '$.reason'), json_extract(record, '$.phase')),
    json_extract(record, '$.device'),
    json_extract(record, '$.environment.gpu'),
    json_extract(record, '$.tracks.open'),
    json_extract(record, '$.tracks.stage'),
    json_extract(record, '$.timing.candidate_ms.median'),
    json_extract(record, '$.timing.speedup.eager.median'),
    json_extract(record, '$.timing.speedup.compile.median'),
    json_extract(record, '$.timing.speedup.current.median'),
    json_extract(record, '$.timing.fraction_of_floor'),
    json_extract(record, '$.timing.bytes'),
    json_extract(record, '$.timing.copy_gb_per_s'),
    (SELECT json_group_array(json_array(json_extract(value, '$.severity'), json_extract(value, '$.rule'),
        json_extract(value, '$.track'))) FROM json_each(record, '$.violations'))
FROM (
    SELECT id, CASE WHEN json_valid(record) THEN record ELSE
        replace(replace(replace(record, 'NaN', 'null'), '-Infinity', 'null'), 'Infinity', 'null')
        END AS record
    FROM verdicts
);
"""

_BASELINES = """
ALTER TABLE attempts ADD COLUMN baselines TEXT NOT NULL DEFAULT 'live';
UPDATE attempts SET baselines = 'session' WHERE verdict IN (
    SELECT id FROM verdicts WHERE instr(record, '"baselines": "session"') > 0
);
"""
"""Of older attempts only those are known that were timed so."""

_QUARANTINE = """
CREATE TABLE quarantine (
    problem_hash TEXT PRIMARY KEY,
    problem TEXT NOT NULL,
    reason TEXT NOT NULL,
    created TEXT NOT NULL
);
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _COUNTED_CALLS, _MEASURES, _BASELINES, _QUARANTINE)
