//! The page at `/`, in a real browser: Debian's Chromium, driven by playwright.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::poll::until;
use crate::sdk::{empty_folder, file, program, run};
use crate::server::Server;

/// What the scripts need, installed where builds are kept; once, unless the versions change.
fn scripts() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(install)
}

fn install() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    let (wanted, made) = (fs::read(file("page").join("package.json")).expect("a file"), folder.join("made"));
    if !fs::read(&made).is_ok_and(|made| made == wanted) {
        empty_folder("page");
        fs::write(folder.join("package.json"), &wanted).expect("the folder is there");
        let quietly =
            ["install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"];
        run(program("npm").args(quietly).current_dir(&folder));
        fs::write(&made, &wanted).expect("the folder is there");
    }
    for entry in fs::read_dir(file("page")).expect("a folder") {
        let script = entry.expect("an entry").path();
        fs::copy(&script, folder.join(script.file_name().expect("a name"))).expect("it is copied");
    }
    folder
}

fn node(folder: &Path, script: &str, address: &str) -> Command {
    let mut command = program("node");
    command.current_dir(folder).args([script, &format!("http://{address}/")]);
    command
}

/// Runs a script of what a reader sees and does, with a second server that reads words. The folder of its pictures.
fn seen(script: &str) -> PathBuf {
    let folder = scripts();
    let pictures = folder.join("pictures");
    let reads_words = format!("http://{}/", Server::shared().address());
    let output = run(node(folder, script, Server::shipped().address()).arg(&pictures).arg(reads_words));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n");
    pictures
}

#[test]
fn a_reader_sees_what_a_preference_does() {
    let pictures = seen("seeing.mjs");
    for name in ["first", "desktop", "sweep", "phone", "phone-word", "dark"] {
        assert!(pictures.join(name).with_extension("png").is_file(), "{name}");
    }
}

#[test]
fn a_reader_teaches_a_profile() {
    assert!(seen("choosing.mjs").join("learned.png").is_file());
}

#[test]
fn a_reader_decides_how_answers_are_made() {
    assert!(seen("making.mjs").join("guards.png").is_file());
}

#[test]
fn a_reader_is_told_what_is_wrong() {
    let folder = scripts();
    let variables = [("PAD_API_KEY", "a-key"), ("PAD_ENGINE__QUEUE", "1"), ("PAD_SERVER__DRAIN_SECONDS", "0")];
    // Slow, so that answers meet each other, and the last one the server's end.
    let server = Server::start(&["--reward", "auto", "--dtype", "f32", "--threads", "1"], &variables);
    let mut command = node(folder, "trouble.mjs", server.address());
    let child = command.arg("a-key").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().expect("node starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let asked = lines.next();
    if asked.as_deref() == Some("stop") {
        server.terminate();
        until("the server ends", || server.exit_status());
        writeln!(child.stdin.as_mut().expect("a pipe")).expect("node reads");
    }
    let last = lines.next();
    let output = child.wait_with_output().expect("node ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((asked.as_deref(), last.as_deref()), (Some("stop"), Some("ok")), "{said}");
}

#[test]
fn the_page_can_be_turned_off() {
    let server = Server::start(&[], &[("PAD_SERVER__PAGE", "false")]);
    assert_eq!(server.client().get("/").status, 404);
    assert_eq!(server.client().get("/page/any/app.js").status, 404);
    let page = Server::shared().client().get("/");
    assert_eq!(page.status, 200);
    assert!(page.text.contains("<title>PAD Server</title>"), "{}", page.text);
}
