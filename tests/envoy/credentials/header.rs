//! The forms of `Authorization` (RFC 6750 section 2).

use fhir_guard_harness::client::{Request, Version};

use super::read;
use crate::table::{FORGED, NO_CREDENTIALS, TWO_CREDENTIALS, Table};
use crate::world::{Setting, World};

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_in_exactly_one_form() {
    let world = World::shared(Setting::default()).await;
    for version in [Version::Http1, Version::Http2] {
        forms(&world, version).await;
    }
    world.close().await;
}

async fn forms(world: &World, version: Version) {
    let certificate = world.pki.client("clinic-a");
    let client = world.client_of(Some(&certificate), version, "secure");
    let token = world.token("patient/*.rs");
    let get = || Request::get("/r4/Patient/p1");
    let mut table = Table::new(world);

    for (name, value) in [
        ("as it should be", format!("Bearer {token}")),
        ("in lower case", format!("bearer {token}")),
        ("in upper case", format!("BEARER {token}")),
        ("more spaces", format!("Bearer   {token}")),
    ] {
        let request = get().header("authorization", value);
        table.answered(name, &client, request, 200).await;
    }

    for (name, request) in [
        ("no header", get()),
        ("Basic", get().header("authorization", "Basic dTpw")),
        (
            "DPoP is not accepted",
            get().header("authorization", format!("DPoP {token}")),
        ),
        (
            "another scheme",
            get().header("authorization", "Negotiate x"),
        ),
        ("a bare token", get().header("authorization", "abc")),
        (
            "a cookie",
            get().header("cookie", format!("access_token={token}")),
        ),
        (
            "another header",
            get().header("x-authorization", format!("Bearer {token}")),
        ),
        (
            "for a proxy",
            get().header("proxy-authorization", format!("Bearer {token}")),
        ),
    ] {
        table
            .refused(
                name,
                &client,
                request,
                NO_CREDENTIALS,
                "credentials.missing",
            )
            .await;
    }

    let good = format!("Bearer {token}");
    let (start, rest) = token.split_at(9);
    let twice = |first: &str, second: &str| {
        get()
            .header("authorization", first)
            .header("authorization", second)
    };
    for (name, request) in [
        ("the same twice", twice(&good, &good)),
        ("good and bad", twice(&good, "Bearer x")),
        ("bad and good", twice("Bearer x", &good)),
        ("two schemes", twice(&good, "Basic dTpw")),
        ("two other schemes", twice("Basic dTpw", &good)),
        (
            "a list",
            get().header("authorization", format!("{good}, {good}")),
        ),
        (
            "a list of schemes",
            get().header("authorization", format!("{good}, Basic dTpw")),
        ),
        (
            "a list, other first",
            get().header("authorization", format!("Basic dTpw, {good}")),
        ),
        (
            "a space inside",
            get().header("authorization", format!("Bearer {start} {rest}")),
        ),
        (
            "a tab for the space",
            get().header("authorization", format!("Bearer\t{token}")),
        ),
        (
            "a tab inside",
            get().header("authorization", format!("{good}\tx")),
        ),
        ("no token", get().header("authorization", "Bearer")),
        ("only padding", get().header("authorization", "Bearer ==")),
        (
            "quotes",
            get().header("authorization", format!("Bearer \"{token}\"")),
        ),
        (
            "a parameter",
            get().header("authorization", format!("Bearer token=\"{token}\"")),
        ),
        (
            "padding inside",
            get().header(
                "authorization",
                format!("Bearer {}", token.replacen('.', "==.", 1)),
            ),
        ),
        ("empty", get().header("authorization", "")),
        (
            "not UTF-8",
            get().header(
                "authorization",
                [b"Bearer ".as_slice(), b"\xff\xfe", token.as_bytes()].concat(),
            ),
        ),
        (
            "a scheme that is not UTF-8",
            get().header(
                "authorization",
                [b"\xffBearer ".as_slice(), token.as_bytes()].concat(),
            ),
        ),
        (
            "UTF-8 in the token",
            get().header("authorization", format!("{good}\u{e9}")),
        ),
    ] {
        table
            .refused(
                name,
                &client,
                request,
                TWO_CREDENTIALS,
                "credentials.malformed",
            )
            .await;
    }

    for (name, request) in [
        (
            "in the query",
            Request::get(&format!("/r4/Patient/p1?access_token={token}")),
        ),
        (
            "in the query as well",
            Request::get(&format!("/r4/Patient/p1?access_token={token}")).bearer(&token),
        ),
        (
            "in the query, empty",
            Request::get("/r4/Patient?access_token=").bearer(&token),
        ),
    ] {
        table
            .refused(
                name,
                &client,
                request,
                TWO_CREDENTIALS,
                "credentials.malformed",
            )
            .await;
    }
    table
        .refused("not a token", &client, read("x"), FORGED, "token.malformed")
        .await;
    table.finish().await;
}
