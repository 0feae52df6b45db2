//! Who is let in, whom the sink trusts, and what is told at once.

use squall::error::Fatal;
use squall::testing::SinkTest;
use squall::{BoxError, Result};
use squall_redis::{RankingSink, RedisSink, Server};
use squall_testbed::{Redis, RedisAt, shared};

use crate::contract::ranking;
use crate::{Score, ask, connect, server, template, url};

const SECRET: &str = "top-secret";

fn send(server: &Server, key: &str) -> Result {
    let sink = RedisSink::new(server, &template(key)).value(&template("{points}"));
    let score = Score {
        player: 1,
        points: 7,
    };
    SinkTest::new(sink).send(score).run().map(drop)
}

/// The error of a sink that is refused before it begins.
fn refused(server: &Server, key: &str) -> BoxError {
    let error = send(server, key).unwrap_err();
    assert!(error.is::<Fatal>(), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    error
}

#[test]
fn a_wrong_password_or_user_is_told_at_once() -> Result {
    let redis = Redis::start_with(&["requirepass", "right"])?;
    let at = redis.at();
    let wrong = server(&at).password(SECRET);
    let error = refused(&wrong, "a").to_string();
    assert!(
        error.contains("refuses the login") && error.contains(&at.address),
        "{error}"
    );
    let error = refused(&server(&at).user("nobody").password("right"), "a").to_string();
    assert!(error.contains("refuses the login"), "{error}");
    let error = refused(&server(&at), "a").to_string();
    assert!(error.contains("NOAUTH"), "{error}");
    send(&server(&at).password("right"), "a")
}

#[test]
fn a_user_who_may_not_set_keys_is_told_at_once() -> Result {
    let redis = Redis::start()?;
    let at = redis.at();
    let mut connection = connect(&at);
    ask::<()>(
        &mut connection,
        "ACL SETUSER reader on >pw ~* +get +multi +discard +exec",
    )?;
    ask::<()>(&mut connection, "ACL SETUSER some on >pw ~some:* +@all")?;
    let reader = server(&at).user("reader").password("pw");
    let error = refused(&reader, "a").to_string();
    assert!(
        error.contains("SET") && error.contains("ACL SETUSER"),
        "{error}"
    );
    let some = server(&at).user("some").password("pw");
    let error = refused(&some, "other").to_string();
    assert!(error.contains("NOPERM"), "{error}");
    send(&some, "some:{player}")?;
    let forbidden = "ACL SETUSER nodel on >pw ~* +@all -del -exec";
    ask::<()>(&mut connection, forbidden)?;
    let nodel = server(&at).user("nodel").password("pw");
    send(&nodel, "some:{player}")?;
    let sink = RedisSink::new(&nodel, &template("{player}")).gone(|_: &Score| true);
    let score = Score {
        player: 1,
        points: 7,
    };
    let error = SinkTest::new(sink).send(score).run();
    let error = error.err().ok_or("it is taken")?.to_string();
    assert!(error.contains("may not run DEL"), "{error}");
    ask::<()>(&mut connection, "ACL SETUSER nodel +del")?;
    let sink = RankingSink::sorted_set(&nodel, "top");
    let error = SinkTest::new(sink).send(ranking(&[("a", 1)])).run();
    let error = error.err().ok_or("it is taken")?.to_string();
    assert!(error.contains("may not run EXEC"), "{error}");
    let left: Vec<String> = ask(&mut connection, "KEYS *")?;
    assert_eq!(left, ["some:1"], "trying it sets nothing");
    ask::<()>(&mut connection, "ACL SETUSER reader +del")?;
    let sink = RankingSink::hash(&reader, "top");
    let error = SinkTest::new(sink).send(ranking(&[("a", 1)])).run();
    let error = error.err().ok_or("it is taken")?.to_string();
    assert!(error.contains("HSET"), "{error}");
    Ok(())
}

#[test]
fn a_database_that_is_not_there_is_told_at_once() -> Result {
    let at = shared::redis()?;
    let error = refused(&Server::at(&format!("{}/77", url(&at)))?, "a").to_string();
    assert!(error.contains("database"), "{error}");
    send(&Server::at(&format!("{}/3", url(&at)))?, "in-three")?;
    let mut connection = connect(&at);
    ask::<()>(&mut connection, "SELECT 3")?;
    let points: u64 = ask(&mut connection, "GET in-three")?;
    assert_eq!(points, 7);
    Ok(())
}

fn by_tls(at: &RedisAt) -> Result<Server> {
    Ok(Server::at(&format!("rediss://{}", at.tls_address))?)
}

#[test]
fn a_certificate_is_trusted_by_its_authority_only() -> Result {
    let at = shared::redis()?;
    send(&by_tls(&at)?.ca(&at.ca), "by-tls")?;
    let points: u64 = ask(&mut connect(&at), "GET by-tls")?;
    assert_eq!(points, 7);
    let error = refused(&by_tls(&at)?, "a").to_string();
    assert!(error.contains("cannot be trusted"), "{error}");
    // An authority of the same name, which has signed nothing of this server.
    let other = Redis::start()?;
    let error = refused(&by_tls(&at)?.ca(other.at().ca), "a").to_string();
    assert!(error.contains("cannot be trusted"), "{error}");
    let error = send(&by_tls(&at)?.ca("/nowhere/ca.pem"), "a").unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    let no_pem = tempfile::NamedTempFile::new()?;
    let error = send(&by_tls(&at)?.ca(no_pem.path()), "a").unwrap_err();
    assert!(error.to_string().contains("not a PEM file"), "{error}");
    Ok(())
}

#[test]
fn a_certificate_is_trusted_for_its_host_only() -> Result {
    // The certificate is for `localhost` and 127.0.0.1.
    let redis = Redis::start_with(&["bind", "127.0.0.2"])?;
    let at = redis.at();
    let port = at.tls_address.rsplit(':').next().unwrap_or_default();
    let other = Server::at(&format!("rediss://127.0.0.2:{port}"))?.ca(&at.ca);
    let error = refused(&other, "a").to_string();
    assert!(error.contains("cannot be trusted"), "{error}");
    Ok(())
}
