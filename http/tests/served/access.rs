//! Who may ask, and how much.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use squall::run::Watch;
use squall::testing::Events;
use squall::{RunOptions, Topology, Word};
use squall_http::{HttpError, HttpOptions, Token, serve};

use crate::Result;
use crate::ask::{ask, get, send};
use crate::job;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Of a run that has ended.
fn watch() -> Result<Watch> {
    let topology = Topology::named("ended");
    let words = topology.spout("words", || Events::now([Word { word: "a".into() }]));
    topology.sink("out", job::nowhere).global_grouping(&words);
    let options = RunOptions {
        signals: false,
        ..RunOptions::default()
    };
    let running = topology.start(options)?;
    let watch = running.watch();
    running.wait()?;
    Ok(watch)
}

fn port_0(ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, 0)
}

#[test]
fn other_computers_are_let_in_with_a_token_alone() -> Result {
    let watch = watch()?;
    for ip in ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"] {
        let address = port_0(ip.parse()?);
        let refused = serve(watch.clone(), HttpOptions::at(address));
        let Err(HttpError::NeedsToken(told)) = refused else {
            panic!("{ip}: {refused:?}");
        };
        assert_eq!(told, address);
    }
    let token: Token = "3d9f1c".parse()?;
    let everywhere = HttpOptions::at(port_0(Ipv4Addr::UNSPECIFIED.into())).token(token);
    let server = serve(watch, everywhere)?;
    let address = SocketAddr::new(LOOPBACK, server.address().port());
    assert_eq!(get(address, "/health")?.status, 401);
    let answer = ask(address, "GET /health", &["Authorization: Bearer 3d9f1c"])?;
    assert_eq!(answer.status, 200);
    Ok(())
}

#[test]
fn a_token_is_needed_for_everything_on_loopback_too() -> Result {
    let options = HttpOptions::at(port_0(LOOPBACK)).token("3d9f1c".parse()?);
    assert!(!format!("{options:?}").contains("3d9f1c"));
    let server = serve(watch()?, options)?;
    for path in ["/metrics", "/health", "/api/topology", "/nothing"] {
        for header in [
            "Accept: */*",
            "Authorization: Bearer 3d9f1",
            "Authorization: Bearer 3d9f1cc",
            "Authorization: Basic 3d9f1c",
        ] {
            let answer = ask(server.address(), &format!("GET {path}"), &[header])?;
            assert_eq!(answer.status, 401, "{path} {header}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(!answer.body.contains("squall_"), "{answer:?}");
        }
        let right = ask(
            server.address(),
            &format!("GET {path}"),
            &["authorization: bearer 3d9f1c"],
        )?;
        assert_eq!(right.status, if path == "/nothing" { 404 } else { 200 });
    }
    Ok(())
}

#[test]
fn only_get_is_answered_and_only_by_address() -> Result {
    let server = serve(watch()?, HttpOptions::at(port_0(LOOPBACK)))?;
    for method in ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"] {
        let answer = ask(server.address(), &format!("{method} /metrics"), &[])?;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET"));
    }
    let named = b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    assert_eq!(send(server.address(), named)?.status, 421);
    let local = b"GET /metrics HTTP/1.1\r\nHost: localhost:1\r\n\r\n";
    assert_eq!(send(server.address(), local)?.status, 200);
    assert_eq!(get(server.address(), "/")?.status, 404);
    Ok(())
}

#[test]
fn a_head_without_an_end_is_refused() -> Result {
    let server = serve(watch()?, HttpOptions::at(port_0(LOOPBACK)))?;
    let long = format!("X: {}", "x".repeat(15 << 10));
    assert_eq!(ask(server.address(), "GET /health", &[&long])?.status, 200);
    let longer = format!("GET /health HTTP/1.1\r\nX: {}", "x".repeat(16 << 10));
    assert_eq!(send(server.address(), longer.as_bytes())?.status, 431);
    let many = vec!["X: x"; 100];
    assert_eq!(ask(server.address(), "GET /health", &many)?.status, 431);
    Ok(())
}

/// Connections that ask nothing had taken every place for ever.
#[test]
fn clients_that_say_nothing_keep_others_out_for_a_while_only() -> Result {
    let server = serve(watch()?, HttpOptions::at(port_0(LOOPBACK)))?;
    let silent: std::io::Result<Vec<TcpStream>> = (0..20)
        .map(|_| TcpStream::connect(server.address()))
        .collect();
    let silent = silent?;
    assert_eq!(get(server.address(), "/health")?.status, 200);
    drop(silent);
    Ok(())
}

#[test]
fn a_port_that_is_taken_is_told_and_a_server_that_is_dropped_gives_it_back() -> Result {
    let watch = watch()?;
    let server = serve(watch.clone(), HttpOptions::at(port_0(LOOPBACK)))?;
    let address = server.address();
    assert_ne!(address.port(), 0);
    let refused = serve(watch.clone(), HttpOptions::at(address)).err();
    let told = refused.ok_or("the port is taken")?.to_string();
    assert!(
        told.starts_with(&format!("cannot listen on `{address}`: ")),
        "{told}"
    );
    drop(server);
    let server = serve(watch, HttpOptions::at(address))?;
    assert_eq!(get(server.address(), "/health")?.status, 200);
    Ok(())
}
