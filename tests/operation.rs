//! What operators look at: `pad health`, figures, load reports.

use crate::client::ask;
use crate::model;
use crate::server::Server;

fn health(port: &str) -> (bool, String) {
    let output = model::pad().args(["health", "--port", port]).output().expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[test]
fn health_tells_whether_requests_are_taken() {
    let server = Server::start(&[], &[]);
    let address = server.address().to_owned();
    let port = address.rsplit(':').next().expect("a port");
    assert_eq!(health(port), (true, "ready\n".to_owned()));
    drop(server);
    let (well, text) = health(port);
    assert!(!well && text.contains(&format!("no server on port {port}")), "{text}");
}

#[test]
fn routers_find_the_figures_that_they_read() {
    let server = Server::start(&[], &[]);
    let client = server.client();
    let page = client.get("/metrics").text;
    let blocks = server.engine()["kv_blocks"]["total"].clone();
    let config = format!("block_size=\"16\",num_gpu_blocks=\"{blocks}\",model_name=\"smollm2-135m-instruct\"");
    assert!(page.contains(&format!("vllm:cache_config_info{{{config}}} 1")), "{page}");
    for _ in 0..2 {
        assert_eq!(client.chat(&ask("Count the planets of the solar system for me, please.", 2)).status, 200);
    }
    let page = client.get("/metrics").text;
    let value = |name: &str| {
        let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} is in\n{page}"));
        line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok()).expect("a number")
    };
    assert!((value("vllm:request_queue_time_seconds_count") - 2.0).abs() < 0.5);
    assert!(value("vllm:prefix_cache_hits_total") >= 16.0, "the second question is found in the cache");
    assert!(value("vllm:prefix_cache_queries_total") > value("vllm:prefix_cache_hits_total"));
}

#[test]
fn a_load_report_comes_where_it_is_asked_for() {
    let client = Server::shared().client();
    let report = |format: &'static str| {
        let client = client.clone().with_header("endpoint-load-metrics-format", format);
        client.get("/health").headers.get("endpoint-load-metrics").cloned()
    };
    let text = report("TEXT").expect("a report");
    assert!(text.to_str().expect("text").starts_with("TEXT named_metrics.kv_cache_usage_perc="), "{text:?}");
    let json = report("JSON").expect("a report");
    let json = json.to_str().expect("text").strip_prefix("JSON ").expect("its format").to_owned();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(json["named_metrics"]["num_requests_waiting"].is_number(), "{json}");
    assert_eq!(client.get("/health").headers.get("endpoint-load-metrics"), None);
}
