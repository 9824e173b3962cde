//! Requests made from the document of the interface, by a program that tries to find what it does not say.

use std::fs;

use serde_json::{Map, Value};

use crate::sdk::{empty_folder, file, program, run};
use crate::server::Server;

#[test]
fn the_document_holds() {
    let server = Server::start(&["--context", "512", "--reward", "auto"], &[]);
    let folder = empty_folder("schema");
    for name in ["schemathesis.toml", "hooks.py"] {
        fs::copy(file("schema").join(name), folder.join(name)).expect("the file is copied");
    }
    let document = file("../openapi/openapi.json");
    let mut command = program("schemathesis");
    command.arg("run").arg(&document).args(["--url", &format!("http://{}", server.address())]).current_dir(&folder);
    let said = run(command.args(["--no-color", "--checks", "all"])).stdout;
    let said = String::from_utf8_lossy(&said);
    // An operation that nothing was tried on passes, too.
    let written: Value = serde_json::from_str(&fs::read_to_string(&document).expect("the file")).expect("JSON");
    let paths = written["paths"].as_object().expect("paths").values();
    let operations: usize = paths.map(|item| item.as_object().map_or(0, Map::len)).sum();
    assert!(operations > 10 && said.contains(&format!("Tested: {operations}\n")), "{operations}: {said}");
    assert!(server.client().get("/ready").status == 200, "{}", server.log());
}
