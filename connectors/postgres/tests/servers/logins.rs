//! Who is let in, whom the sink trusts, and what is told at once.

use squall::error::Fatal;
use squall::testing::SinkTest;
use squall::{BoxError, Result};
use squall_postgres::{PostgresSink, Server};
use squall_testbed::postgres::{PASSWORD, USER};
use squall_testbed::{Postgres, shared};

use crate::{Db, score, server, unique, url};

const SECRET: &str = "top-secret";

fn send(server: &Server, table: &str) -> Result {
    let sink = PostgresSink::new(server, table, ["player"]);
    SinkTest::new(sink).send(score(1, 7)).run().map(drop)
}

/// The error of a sink that is refused before it begins.
fn refused(server: &Server) -> BoxError {
    let error = send(server, "refused").unwrap_err();
    assert!(error.is::<Fatal>(), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains(SECRET) && !shown.contains(PASSWORD),
        "{shown}"
    );
    error
}

#[test]
fn a_wrong_password_user_or_database_is_told_at_once() -> Result {
    let at = shared::postgres()?;
    let none = Server::at(&url(&at))?;
    for server in [
        server(&at).password(SECRET),
        server(&at).user("nobody"),
        server(&at).database("nowhere"),
        none,
    ] {
        let error = refused(&server).to_string();
        assert!(error.contains("refuses the login"), "{error}");
        assert!(error.contains(&at.port.to_string()), "{error}");
    }
    Ok(())
}

fn by_tls(host: &str, port: u16) -> Result<Server> {
    let url = format!("postgres://{USER}@{host}:{port}/{USER}?sslmode=verify-full");
    Ok(Server::at(&url)?.password(PASSWORD))
}

#[test]
fn a_certificate_is_trusted_by_its_authority_and_for_its_host_only() -> Result {
    let at = shared::postgres()?;
    let table = unique("by_tls");
    send(&by_tls("localhost", at.port)?.ca(&at.ca), &table)?;
    let rows = Db::of(&at)?.ask(&format!("SELECT * FROM {table}"))?;
    assert_eq!(rows, ["1 7"]);
    // The certificate is for `localhost` and 127.0.0.1.
    let other_host = by_tls("[::1]", at.port)?.ca(&at.ca);
    let other = Postgres::start()?;
    for server in [
        other_host,
        by_tls("localhost", at.port)?,
        by_tls("localhost", at.port)?.ca(other.at().ca),
    ] {
        let error = refused(&server).to_string();
        assert!(error.contains("cannot be trusted"), "{error}");
    }
    let error = send(&by_tls("localhost", at.port)?.ca("/nowhere/ca.pem"), "a").unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    let no_pem = tempfile::NamedTempFile::new()?;
    let error = send(&by_tls("localhost", at.port)?.ca(no_pem.path()), "a").unwrap_err();
    assert!(error.to_string().contains("not a PEM file"), "{error}");
    Ok(())
}

#[test]
fn a_user_who_may_not_write_is_told_at_once() -> Result {
    let at = shared::postgres()?;
    let (db, table, user) = (Db::of(&at)?, unique("theirs"), unique("guest"));
    db.ask(&format!(
        "CREATE TABLE {table} (player bigint PRIMARY KEY, points bigint); \
         CREATE ROLE {user} LOGIN PASSWORD 'a'; GRANT SELECT, INSERT, DELETE ON {table} TO {user}"
    ))?;
    let guest = server(&at).user(&user).password("a");
    let error = send(&guest, &table).unwrap_err().to_string();
    assert!(
        error.contains("UPDATE") && error.contains(&table),
        "{error}"
    );
    db.ask(&format!("GRANT UPDATE ON {table} TO {user}"))?;
    send(&guest, &table)
}
