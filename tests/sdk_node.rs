//! The OpenAI SDK for JavaScript against the server.

use std::fs;

use crate::sdk::{empty_folder, file, program, run};
use crate::server::Server;

#[test]
fn the_sdk_for_javascript_gets_what_it_expects() {
    let folder = empty_folder("node");
    for name in ["package.json", "sdk.mjs"] {
        fs::copy(file("node").join(name), folder.join(name)).expect("the file is copied");
    }
    // The package needs no other. Its version is exact, so a lock would add nothing.
    let quietly = ["install", "--no-package-lock", "--omit=peer", "--no-audit", "--no-fund", "--no-update-notifier"];
    run(program("npm").args(quietly).current_dir(&folder));
    let url = format!("http://{}/v1", Server::reference().address());
    let output = run(program("node").args(["sdk.mjs", &url]).current_dir(&folder));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n");
}
