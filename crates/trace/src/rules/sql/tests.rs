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
    check("SELECT a - 5, count(*), f(1, 2) FROM t", Some("t"), "select a - ?, count(*), f(?, ?) from t", "SELECT", Effect::Read);
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
        }
    }
}
