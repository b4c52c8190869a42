use super::*;

#[track_caller]
fn check(text: &str, collection: Option<&str>, operation: &str, command: &str, effect: Effect) {
    for dialect in [Dialect::Postgres, Dialect::Mysql] {
        let read = sql(text, dialect);
        let found = (read.collection.as_deref(), &*read.operation, &*read.command, read.effect);
        assert_eq!(found, (collection, operation, command, effect), "{dialect:?}");
    }
}

#[test]
fn what_changes_from_call_to_call_is_left_out() {
    let expected = "select a, b from t where x = ? and y in (?) limit ?";
    for text in [
        "SELECT a, b FROM t WHERE x = 'it''s' AND y IN (1,2, 3) LIMIT 10",
        "select a,b\n\tfrom t -- a comment\nwhere x=-1.5e3 and y in(?) /* another */ limit 0x1F;",
        "SELECT a , b FROM t WHERE x = NULL AND y IN (null, 'b')\nLIMIT 1 ; ",
    ] {
        check(text, Some("t"), expected, "SELECT", Effect::Read);
    }
    check(
        "SELECT a - 5, count(*), mod(1, 2) FROM t",
        Some("t"),
        "select a - ?, count(*), mod(?, ?) from t",
        "SELECT",
        Effect::Read,
    );
    check("SELECT 1 WHERE a IS NULL", None, "select ? where a is null", "SELECT", Effect::Read);
    check("", None, "", "", Effect::Control);
}

#[test]
fn of_many_rows_the_first_stands_for_all() {
    let expected = "insert into t (a, b) values (?, now()) on duplicate key update b = values (b)";
    let text = "INSERT INTO t(a, b) VALUES (1, now()), (2, now()),\n(3, NOW()) ON DUPLICATE KEY UPDATE b = VALUES(b)";
    // A name before a parenthesis is a function's or a table's.
    let expected = &expected.replace("t (a", "t(a");
    check(text, Some("t"), expected, "INSERT", Effect::Write);
    check(
        "SELECT * FROM t WHERE (a, b) IN ((1, 2), (3, 4))",
        Some("t"),
        "select * from t where (a, b) in ((?, ?))",
        "SELECT",
        Effect::Read,
    );
    check("VALUES (1), (2) LIMIT 1", None, "values (?) limit ?", "VALUES", Effect::Read);
    check("insert into t values (1), x", Some("t"), "insert into t values (?), x", "INSERT", Effect::Write);
}

#[test]
fn servers_read_quotes_and_comments_in_their_way() {
    let read = |text, dialect| sql(text, dialect).operation;
    let (pg, my) = (Dialect::Postgres, Dialect::Mysql);
    assert_eq!(read(r#"SELECT "A b" FROM "T""#, pg), r#"select "A b" from "T""#);
    assert_eq!(read(r#"SELECT "A b" FROM `T`"#, my), "select ? from `T`");
    assert_eq!(read(r"SELECT 'a\', 'b'", pg), "select ?, ?");
    assert_eq!(read(r"SELECT 'a\', b', 1", my), "select ?, ?");
    assert_eq!(read(r"SELECT E'a\', b', $1::int", pg), "select ?, ?::int");
    assert_eq!(read("DO $x$ SELECT $$a$$; $x$", pg), "do ?");
    assert_eq!(read("SELECT /* a /* b */ c */ 1", pg), "select ?");
    assert_eq!(read("SELECT 1 # comment", my), "select ?");
    assert_eq!(read("/*!40101 SET NAMES utf8 */", my), "set names utf8");
    assert_eq!(read("SELECT 5--1", my), "select ? - ?");
    assert_eq!(read("SELECT * FROM t WHERE a=? AND b=-1 AND c=@d", my), "select * from t where a = ? and b = ? and c = @d");
    assert_eq!(read("SELECT a@>b, c?'d' FROM t", pg), "select a @> b, c ? ? from t");
    assert_eq!(read("SELECT _utf8'x', N'y', X'00', @@version", my), "select ?, ?, ?, @@version");
    assert_eq!(sql(r#"SELECT * FROM "Big"."Table""#, pg).collection.as_deref(), Some("Big.Table"));
    assert_eq!(sql("SELECT * FROM Shop.Orders", pg).collection.as_deref(), Some("shop.orders"));
    assert_eq!(sql("SELECT * FROM Shop.Orders", my).collection.as_deref(), Some("Shop.Orders"));
}

#[test]
fn a_statement_names_what_it_is_about() {
    let cases = [
        ("SELECT EXTRACT(year FROM at) FROM orders", "orders", Effect::Read),
        ("SELECT (SELECT max(x) FROM inner_t) FROM outer_t JOIN other USING (id)", "outer_t", Effect::Read),
        ("SELECT * FROM (SELECT * FROM deep) AS d", "deep", Effect::Read),
        ("WITH a AS (SELECT * FROM first_t), b AS (SELECT 1) SELECT * FROM a, b", "first_t", Effect::Read),
        ("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", "t", Effect::Write),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "t", Effect::Write),
        ("UPDATE ONLY t SET a = (SELECT b FROM u)", "t", Effect::Write),
        ("DELETE FROM t WHERE a = 1", "t", Effect::Write),
        ("REPLACE INTO t VALUES (1)", "t", Effect::Write),
        ("COPY t (a, b) FROM STDIN", "t", Effect::Write),
        ("COPY (SELECT * FROM t) TO STDOUT", "t", Effect::Read),
        ("TRUNCATE TABLE t", "t", Effect::Write),
        ("CREATE TABLE IF NOT EXISTS t (a int)", "t", Effect::Admin),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "t", Effect::Admin),
        ("DROP TABLE IF EXISTS t", "t", Effect::Admin),
        ("ALTER TABLE t ADD b int", "t", Effect::Admin),
        ("EXPLAIN SELECT * FROM t", "t", Effect::Read),
        ("EXPLAIN (ANALYZE, BUFFERS) DELETE FROM t", "t", Effect::Write),
        ("BEGIN; UPDATE t SET a = 1; COMMIT", "t", Effect::Write),
        ("SHOW COLUMNS FROM t", "t", Effect::Read),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE t", "t", Effect::Write),
        ("LISTEN ch", "ch", Effect::Control),
        ("VACUUM ANALYZE t", "t", Effect::Admin),
    ];
    for (text, collection, effect) in cases {
        let read = sql(text, Dialect::Postgres);
        assert_eq!((read.collection.as_deref(), read.effect), (Some(collection), effect), "{text}");
    }
    for text in ["BEGIN", "COMMIT", "SET x = 1", "SELECT 1", "ROLLBACK TO SAVEPOINT a"] {
        assert_eq!(sql(text, Dialect::Postgres).collection, None, "{text}");
    }
}

/// What PostgreSQL 15 refuses in a transaction that is READ ONLY (SQLSTATE 25006), and what it does not know.
#[test]
fn what_may_write_is_no_read() {
    for text in [
        "SELECT * INTO new FROM t",
        "WITH a AS (SELECT 1) SELECT * INTO new FROM a",
        "SELECT * FROM t FOR UPDATE",
        "SELECT * FROM t FOR NO KEY UPDATE SKIP LOCKED",
        "SELECT * FROM (SELECT * FROM t FOR SHARE) AS x",
        "SELECT nextval('s')",
        "VALUES (nextval('s'))",
        "VALUES (1), (nextval('s'))",
        "TABLE t FOR UPDATE",
        "SELECT pg_catalog.setval('s', 1)",
        "WITH a AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM a",
        "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
        "EXPLAIN ANALYZE EXECUTE p",
        "COPY t FROM STDIN",
        "COPY (DELETE FROM t RETURNING *) TO STDOUT",
        "DECLARE c CURSOR FOR SELECT * FROM t FOR UPDATE",
        // Not refused, but unknown or outside of the tables.
        "EXPLAIN (ANALYZE, COSTS off) CREATE TABLE x AS SELECT 1",
        "COPY t TO '/tmp/x'",
        "CALL p(1)",
        "DO $$ BEGIN END $$",
        "EXECUTE p(1)",
        "SELECT do_things(1)",
        "SELECT app.lower(x) FROM t",
        "SELECT * FROM run_job(1) AS job(id)",
        "SELECT pg_terminate_backend(1)",
        "SELECT pg_notify('a', 'b')",
        "WITH a AS (SELECT 1) SELECT f(x), g(y) FROM a",
        "NOSUCH",
    ] {
        assert!(matches!(sql(text, Dialect::Postgres).effect, Effect::Write | Effect::Admin), "{text}");
    }
    for text in [
        "SELECT * FROM t INTO OUTFILE '/tmp/x'",
        "SELECT * FROM t LOCK IN SHARE MODE",
        "DO RELEASE_LOCK('a')",
        "CALL p()",
        "SELECT my_function(1)",
        "SET GLOBAL x = 1",
        "SET @@global.x = 1",
        "START SLAVE",
        "STOP REPLICA",
        "RESET MASTER",
        "LOAD DATA INFILE 'x' INTO TABLE t",
    ] {
        let read = sql(text, Dialect::Mysql);
        assert!(matches!(read.effect, Effect::Write | Effect::Admin) && !read.setup, "{text}");
    }
    let long = format!("SELECT {} FROM t", ["a"; 2100].join(" + "));
    assert_eq!(sql(&long, Dialect::Postgres).effect, Effect::Write, "its end is not looked at");
}

/// What PostgreSQL 15 executes in a transaction that is READ ONLY, without a function of its users'.
#[test]
fn what_reads_is_a_read() {
    for text in [
        "SELECT lower(a)::varchar(3), count(*) FILTER (WHERE b) OVER (PARTITION BY c) FROM t WHERE d IN (1, 2)",
        "SELECT CAST(a AS numeric(10, 2)), EXTRACT(year FROM b), substring(c FROM 1 FOR 2), replace(d, 'x', 'y') FROM t",
        "SELECT * FROM generate_series(1, 3) AS s(n), LATERAL (SELECT n) AS l(m)",
        "WITH RECURSIVE a(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM a WHERE n < 3), b (m) AS (SELECT 1) SELECT * FROM a, b",
        "WITH a AS MATERIALIZED (SELECT replace('a', 'b', 'c')) SELECT * FROM a",
        "SELECT a FROM t GROUP BY GROUPING SETS ((a), (a, b)) HAVING max(a) > 1",
        "SELECT pg_catalog.pg_get_userbyid(1), current_setting('a'), has_table_privilege('t', 'select')",
        "SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(t)$' AND pg_catalog.pg_table_is_visible(c.oid)",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t TABLESAMPLE bernoulli (10)",
        "EXPLAIN DELETE FROM t",
        "COPY t TO STDOUT",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    ] {
        assert_eq!(sql(text, Dialect::Postgres).effect, Effect::Read, "{text}");
    }
    for text in [
        "SELECT COUNT(*), IFNULL(a, 0), DATE_FORMAT(b, '%Y') INTO @n, @a, @b FROM t USE INDEX (i)",
        "SELECT * FROM t PARTITION (p0) WHERE MATCH (a) AGAINST ('x' IN BOOLEAN MODE)",
        "HANDLER t READ FIRST",
        "SELECT @@max_allowed_packet, @a := 1",
    ] {
        assert_eq!(sql(text, Dialect::Mysql).effect, Effect::Read, "{text}");
    }
    for text in ["SELECT set_config('search_path', '', false)", "SELECT pg_advisory_lock(1)"] {
        assert_eq!(sql(text, Dialect::Postgres).effect, Effect::Control, "{text}");
    }
}

#[test]
fn statements_are_prepared_and_run_by_name() {
    let (pg, my) = (Dialect::Postgres, Dialect::Mysql);
    let prepare = |name: &str, text: &'static str, at| Prepared::Prepare { name: name.into(), text: text.into(), at };
    let execute = |name: &str, arguments| Prepared::Execute { name: name.into(), arguments };
    let forget = |name: Option<&str>| Prepared::Forget { name: name.map(str::to_owned) };
    let insert = "INSERT INTO t VALUES ($1, $2)";
    for (text, dialect, expected) in [
        ("PREPARE p AS SELECT 1;", pg, Some(prepare("p", "SELECT 1", 13..21))),
        ("prepare \"P\" (int, text) as INSERT INTO t VALUES ($1, $2)", pg, Some(prepare("P", insert, 27..56))),
        (r"PREPARE s FROM 'SELECT ''a\n''' ", my, Some(prepare("s", "SELECT 'a\n'", 15..31))),
        ("PREPARE s FROM @text", my, None),
        ("PREPARE TRANSACTION 'x'", pg, None),
        ("EXECUTE p(1, lower('A, b'), $1)", pg, Some(execute("p", vec![10..11, 13..26, 28..30]))),
        ("execute P", pg, Some(execute("p", vec![]))),
        ("EXECUTE s USING @a, @b", my, Some(execute("s", vec![]))),
        ("EXECUTE p; DELETE FROM t", pg, None),
        ("DEALLOCATE p", pg, Some(forget(Some("p")))),
        ("DEALLOCATE PREPARE p", my, Some(forget(Some("p")))),
        ("DEALLOCATE ALL", pg, Some(forget(None))),
        ("DISCARD ALL", pg, Some(forget(None))),
        ("DROP PREPARE s", my, Some(forget(Some("s")))),
        ("DROP TABLE s", my, None),
        ("SELECT 1", pg, None),
        ("PREPARE", pg, None),
    ] {
        assert_eq!(prepared(text, dialect), expected, "{text}");
    }
}

#[test]
fn what_sets_up_a_session_is_told() {
    for (text, setup) in [
        ("SET search_path = a", true),
        ("SET NAMES utf8mb4; SET autocommit = 0", true),
        ("USE shop", true),
        ("LISTEN ch", true),
        ("SET LOCAL a = 1", false),
        ("SET TRANSACTION READ ONLY", false),
        ("SET a = 1; SELECT 1", false),
        ("", false),
    ] {
        assert_eq!(sql(text, Dialect::Mysql).setup, setup, "{text}");
    }
}

#[test]
fn a_long_fingerprint_keeps_a_digest_of_what_is_cut_off() {
    let text = |end: &str| format!("SELECT {} FROM {end}", ["column"; 40].join(", "));
    let [one, other] = ["one", "other"].map(|end| sql(&text(end), Dialect::Postgres).operation);
    assert_ne!(one, other);
    assert!(one.chars().count() <= NAME_CHARS_MAX && one.starts_with("select column, column"), "{one}");
    assert_eq!(sql(&text("one"), Dialect::Postgres).collection.as_deref(), Some("one"));
}

fn found(text: &str, dialect: Dialect) -> Vec<String> {
    let is_secret = |name: &[u8]| name.eq_ignore_ascii_case(b"password") || name.eq_ignore_ascii_case(b"api_key");
    let place = |secret| match secret {
        Secret::Value(range) => text[range].to_owned(),
        Secret::Parameter(number) => number.to_string(),
    };
    secrets(text, dialect, is_secret).into_iter().map(place).collect()
}

#[test]
fn secrets_stand_behind_names_and_in_columns() {
    let (pg, my) = (Dialect::Postgres, Dialect::Mysql);
    for (text, secret) in [
        ("ALTER USER u WITH ENCRYPTED PASSWORD 's1'", &["'s1'"][..]),
        ("SELECT * FROM u WHERE password = 's1' AND name = 'x'", &["'s1'"]),
        ("SELECT * FROM u WHERE name = 'x' AND u.api_key IN ('s1', 's2') AND y = 'z'", &["'s1'", "'s2'"]),
        (
            "INSERT INTO u (name, password, n) VALUES ('a', 's1', 1), ('b', crypt('s2', 'c'), 2) RETURNING id",
            &["'s1'", "'s2'", "'c'"],
        ),
        ("UPDATE u SET password = $2, name = $1", &["1"]),
        ("INSERT INTO u (password, name) VALUES ($1, $2)", &["0"]),
        ("SELECT password, name FROM u WHERE name = 'x'", &[]),
    ] {
        assert_eq!(found(text, pg), secret, "{text}");
    }
    for (text, secret) in [
        ("CREATE USER 'u'@'h' IDENTIFIED BY 's1'", &["'s1'"][..]),
        ("CREATE USER u IDENTIFIED WITH mysql_native_password AS '*s1'", &["'*s1'"]),
        ("SET PASSWORD FOR 'u'@'h' = PASSWORD('s1')", &["'s1'"]),
        ("SET PASSWORD = 's1'", &["'s1'"]),
        ("SELECT * FROM u WHERE a = ? AND password = ? AND b = ?", &["1"]),
        ("UPDATE u SET `api_key` = \"s1\"", &["\"s1\""]),
    ] {
        assert_eq!(found(text, my), secret, "{text}");
    }
}

#[test]
fn anything_at_all_is_read() {
    let pieces = [
        "'",
        "\"",
        "`",
        "(",
        ")",
        "$$",
        "$a$",
        "/*",
        "*/",
        "--",
        "in (",
        "values (",
        ",",
        "?",
        "1",
        "é",
        "from",
        "with a as (",
        ".",
    ];
    let mut text = String::new();
    for step in 0..2000_usize {
        text.push_str(pieces[step * step % 19 * (step % 7 + 1) % pieces.len()]);
        for dialect in [Dialect::Postgres, Dialect::Mysql] {
            let from = text.char_indices().nth_back(120).map_or(0, |(at, _)| at);
            assert!(sql(&text[from..], dialect).operation.chars().count() <= NAME_CHARS_MAX);
            secrets(&text[from..], dialect, |_| true);
            let _ = prepared(&format!("EXECUTE p {}", &text[from..]), dialect);
            let _ = prepared(&format!("PREPARE p AS {}", &text[from..]), dialect);
        }
    }
}
