//! The text of the ready-made looks. Each stands in a FROM clause; a summary is one row. PostgreSQL 10 and later.

pub(super) const ACTIVITY: &str = "SELECT pid, usename AS user, application_name AS application, \
     host(client_addr) AS client, state, wait_event_type AS waits_for, \
     extract(epoch FROM clock_timestamp() - query_start)::bigint AS seconds, left(query, 200) AS query, backend_start \
     FROM pg_stat_activity \
     WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() \
     ORDER BY state = 'active' DESC NULLS LAST, query_start NULLS LAST, pid";

pub(super) const SESSIONS: &str = "SELECT coalesce(datname, '-') AS database, coalesce(state, 'hidden') AS state, \
     count(*) AS sessions, max(extract(epoch FROM clock_timestamp() - state_change))::bigint AS longest_seconds \
     FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2";
pub(super) const SESSIONS_SUM: &str = "SELECT count(*) AS total, \
     count(*) FILTER (WHERE state = 'active') AS active, count(*) FILTER (WHERE state = 'idle') AS idle, \
     count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction, \
     count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting, \
     count(*) FILTER (WHERE datname = current_database() AND pid <> pg_backend_pid()) AS here, \
     coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) FILTER (WHERE state = 'active'), 0)::bigint \
     AS longest_query_seconds, \
     coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::bigint AS longest_transaction_seconds, \
     current_setting('max_connections')::int AS max_connections, \
     round(100.0 * count(*) / current_setting('max_connections')::int, 1) AS used_percent \
     FROM pg_stat_activity WHERE backend_type = 'client backend'";

pub(super) const SIZES: &str = "SELECT bytes, pg_size_pretty(bytes) AS size, kind, name, table_bytes, index_bytes, \
     live_rows FROM (SELECT pg_database_size(current_database()) AS bytes, 'database' AS kind, \
     current_database()::text AS name, NULL::bigint AS table_bytes, NULL::bigint AS index_bytes, \
     NULL::bigint AS live_rows \
     UNION ALL SELECT pg_total_relation_size(c.oid), 'table', n.nspname || '.' || c.relname, \
     pg_table_size(c.oid), pg_indexes_size(c.oid), pg_stat_get_live_tuples(c.oid) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
     AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%') s \
     ORDER BY kind = 'database' DESC, bytes DESC, name";
pub(super) const SIZES_SUM: &str = "SELECT pg_database_size(current_database()) AS database_bytes, \
     pg_size_pretty(pg_database_size(current_database())) AS database_size, \
     (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') \
     AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' \
     AND n.nspname NOT LIKE 'pg\\_temp%') AS tables";

pub(super) const DATABASES: &str = "SELECT d.datname AS name, pg_get_userbyid(d.datdba) AS owner, s.bytes, \
     pg_size_pretty(s.bytes) AS size, \
     (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND a.backend_type = 'client backend') \
     AS sessions, pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collation, \
     d.datallowconn AS connections_allowed, age(d.datfrozenxid) AS xid_age \
     FROM pg_database d CROSS JOIN LATERAL (SELECT CASE WHEN has_database_privilege(d.oid, 'CONNECT') \
     THEN pg_database_size(d.oid) END AS bytes) s ORDER BY s.bytes DESC NULLS LAST, 1";
pub(super) const DATABASES_SUM: &str = "SELECT count(*) AS total, sum(bytes)::bigint AS total_bytes, \
     pg_size_pretty(sum(bytes)) AS total_size FROM (SELECT CASE WHEN has_database_privilege(oid, 'CONNECT') \
     THEN pg_database_size(oid) END AS bytes FROM pg_database) s";

pub(super) const INDEXES: &str = "SELECT n.nspname || '.' || i.relname AS name, t.relname AS table, \
     pg_relation_size(i.oid) AS bytes, pg_size_pretty(pg_relation_size(i.oid)) AS size, \
     coalesce(s.idx_scan, 0) AS scans, x.indisvalid AS valid, x.indisready AS ready, x.indisunique AS unique, \
     x.indisprimary AS primary, pg_get_indexdef(i.oid) AS definition \
     FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid \
     JOIN pg_namespace n ON n.oid = i.relnamespace LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = i.oid \
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' \
     ORDER BY x.indisvalid, bytes DESC, 1";
pub(super) const INDEXES_SUM: &str = "SELECT count(*) AS total, count(*) FILTER (WHERE NOT x.indisvalid) AS invalid, \
     coalesce(json_agg(n.nspname || '.' || i.relname ORDER BY 1) FILTER (WHERE NOT x.indisvalid), '[]') \
     AS invalid_names, count(*) FILTER (WHERE coalesce(s.idx_scan, 0) = 0 AND NOT x.indisunique) AS unused \
     FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace \
     LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = i.oid \
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'";

/// Its schema stands in place of `{extension}`. The names are those since version 13.
pub(super) const SLOW: &str = "SELECT round(total_exec_time::numeric, 1) AS total_ms, calls, \
     round(mean_exec_time::numeric, 2) AS mean_ms, round(max_exec_time::numeric, 1) AS max_ms, rows, \
     round((100 * total_exec_time / nullif(sum(total_exec_time) OVER (), 0))::numeric, 1) AS percent, \
     left(query, 300) AS query FROM {extension}.pg_stat_statements \
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     ORDER BY total_exec_time DESC, query";
/// Where the extension is: its schema, quoted.
pub(super) const EXTENSION: &str = "SELECT quote_ident(n.nspname) FROM pg_extension e \
     JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'";

pub(super) const LOCKS: &str = "SELECT a.pid, a.usename AS user, a.application_name AS application, \
     extract(epoch FROM clock_timestamp() - a.query_start)::bigint AS seconds, l.locktype AS kind, l.mode, \
     l.relation::regclass::text AS relation, left(a.query, 200) AS query, b.pid AS blocked_by, \
     b.usename AS blocker_user, b.application_name AS blocker_application, b.state AS blocker_state, \
     extract(epoch FROM clock_timestamp() - b.xact_start)::bigint AS blocker_seconds, \
     left(b.query, 200) AS blocker_query \
     FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted \
     CROSS JOIN LATERAL unnest(pg_blocking_pids(a.pid)) AS blocker \
     JOIN pg_stat_activity b ON b.pid = blocker WHERE a.datname = current_database() ORDER BY seconds DESC, 1, b.pid";
pub(super) const LOCKS_SUM: &str = "SELECT count(*) AS waiting, \
     coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)::bigint AS longest_seconds \
     FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0";

pub(super) const REPLICATION: &str = "SELECT 'replica' AS kind, coalesce(nullif(application_name, ''), \
     host(client_addr)) AS name, state || ' (' || sync_state || ')' AS state, \
     CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint END \
     AS lag_bytes, round(extract(epoch FROM replay_lag)::numeric, 1) AS lag_seconds FROM pg_stat_replication \
     UNION ALL SELECT 'slot', slot_name, CASE WHEN active THEN 'active' ELSE 'inactive' END, \
     CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint END, NULL \
     FROM pg_replication_slots ORDER BY 1, 2";
pub(super) const REPLICATION_SUM: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE 'primary' END \
     AS role, (SELECT count(*) FROM pg_stat_replication) AS replicas, \
     (SELECT count(*) FROM pg_replication_slots WHERE NOT active) AS inactive_slots, \
     CASE WHEN pg_is_in_recovery() THEN \
     CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 ELSE \
     round(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::numeric, 1) END ELSE \
     (SELECT round(extract(epoch FROM max(replay_lag))::numeric, 1) FROM pg_stat_replication) END AS lag_seconds, \
     CASE WHEN NOT pg_is_in_recovery() THEN (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint \
     FROM pg_stat_replication) END AS lag_bytes";

pub(super) const VACUUM: &str = "SELECT schemaname || '.' || relname AS table, n_live_tup AS live, \
     n_dead_tup AS dead, round(100.0 * n_dead_tup / nullif(n_live_tup + n_dead_tup, 0), 1) AS dead_percent, \
     extract(epoch FROM clock_timestamp() - greatest(last_vacuum, last_autovacuum))::bigint AS vacuum_age, \
     extract(epoch FROM clock_timestamp() - greatest(last_analyze, last_autoanalyze))::bigint AS analyze_age, \
     n_mod_since_analyze AS changed_since_analyze FROM pg_stat_user_tables ORDER BY n_dead_tup DESC, 1";
pub(super) const VACUUM_SUM: &str = "SELECT coalesce(sum(n_dead_tup), 0)::bigint AS dead, \
     coalesce(max(round(100.0 * n_dead_tup / nullif(n_live_tup + n_dead_tup, 0), 1)), 0) AS worst_percent, \
     (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()) AS xid_age, \
     current_setting('autovacuum')::boolean AS autovacuum FROM pg_stat_user_tables";

pub(super) const READY: &str = "SELECT true AS ready, current_setting('server_version') AS version, \
     current_setting('server_version_num')::int AS version_number, current_database()::text AS database, \
     CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE 'primary' END AS role, \
     current_setting('default_transaction_read_only')::boolean OR pg_is_in_recovery() AS read_only, \
     extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::bigint AS uptime";
