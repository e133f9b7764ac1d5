//! Servers that belong together, over TLS. They name one another by address unless they are told to do it by name, and a
//! certificate is checked against what they are named.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use store::{RedisOptions, Store as _};
use testkit::redis_server::{RedisCluster, RedisSentinels, RedisTls};

use crate::{Commit, create, is_unavailable, open_with, read, until};

/// What servers of these names show, and what vouches for it.
fn certificate(names: &[&str]) -> (RedisTls, RedisOptions) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let pem = cert.pem();
    (RedisTls::new(&pem, &signing_key.serialize_pem()), RedisOptions::default().certificate_authority(pem))
}

#[tokio::test]
async fn a_cluster_over_tls_shows_certificates_for_the_addresses_that_it_names() {
    let (tls, options) = certificate(&["127.0.0.1"]);
    let cluster = RedisCluster::start_with_tls(&tls);
    let store = open_with(&cluster.tls_url("127.0.0.1"), options).await.unwrap();
    for n in 0..20 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
        assert!(read(&store, n).await.is_some());
    }
    store.ready().await.unwrap();
    assert!(is_unavailable(open_with(&cluster.tls_url("127.0.0.1"), RedisOptions::default()).await));
}

#[tokio::test]
async fn a_cluster_over_tls_may_name_its_nodes_as_its_certificates_do() {
    let (tls, options) = certificate(&["localhost"]);
    let mut cluster = RedisCluster::start_with_tls(&tls);
    let url = cluster.tls_url("localhost");
    assert!(is_unavailable(open_with(&url, options.clone()).await), "it names addresses");
    for node in cluster.nodes() {
        node.ask(&["CONFIG", "SET", "cluster-announce-hostname", "localhost"]);
        node.ask(&["CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname"]);
    }
    // Each hears of the names of the others.
    until(async || {
        let open = open_with(&url, options.clone()).await;
        matches!(open, Ok(store) if store.ready().await.is_ok())
    })
    .await;
    let store = open_with(&url, options).await.unwrap();
    for n in 0..20 {
        assert_eq!(create(&store, n).await.unwrap(), Commit::Done);
    }
}

#[tokio::test]
async fn sentinels_over_tls_lead_to_the_primary_and_to_the_next() {
    lead_to_the_primary_and_to_the_next("127.0.0.1").await;
}

#[tokio::test]
async fn sentinels_over_tls_may_name_the_servers_as_their_certificates_do() {
    lead_to_the_primary_and_to_the_next("localhost").await;
}

async fn lead_to_the_primary_and_to_the_next(host: &str) {
    let (tls, options) = certificate(&[host]);
    let mut servers = RedisSentinels::start_with_tls(&tls, host);
    let url = servers.tls_url(host);
    assert!(is_unavailable(open_with(&url, RedisOptions::default()).await), "nobody vouches");
    let store = open_with(&url, options).await.unwrap();
    assert_eq!(create(&store, 1).await.unwrap(), Commit::Done);
    assert_eq!(servers.primary.ask(&["WAIT", "1", "0"]), "1");
    servers.primary.kill();
    servers.fail_over();
    until(async || store.ready().await.is_ok()).await;
    assert!(read(&store, 1).await.is_some());
}

/// The Sentinels are known by name, and what they name is an address.
#[tokio::test]
async fn a_primary_over_tls_without_a_certificate_for_its_address_is_refused() {
    let (tls, options) = certificate(&["localhost"]);
    let servers = RedisSentinels::start_with_tls(&tls, "127.0.0.1");
    assert!(is_unavailable(open_with(&servers.tls_url("localhost"), options).await));
}
