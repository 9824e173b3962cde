//! What is read and what is written: pairs, and the reward model's folder.

mod tiny;

use std::collections::HashMap;
use std::io::Write as _;

use candle_core::{DType, Device, Tensor};
use pad_train::{Accuracy, Base, Corpus, Example, Record, Settings, Trainer, Verbosity};

const GOOD: &str = r#"{"prompt":[{"role":"user","content":"Hi"}],"chosen":"a","rejected":"b","dimension":"concise"}"#;

fn error_of(line: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.jsonl");
    std::fs::write(&path, format!("{GOOD}\n\n{line}\n")).unwrap();
    pad_train::read(&path).unwrap_err().to_string()
}

#[test]
fn a_bad_line_is_named_with_its_field() {
    let check = |line: &str, parts: &[&str]| {
        let error = error_of(line);
        assert!(error.contains("pairs.jsonl line 3"), "{error}");
        parts.iter().for_each(|part| assert!(error.contains(part), "{error} lacks {part}"));
    };
    check("{", &["EOF"]);
    check(&GOOD.replace(r#""chosen":"a""#, r#""chosen":7"#), &["chosen", "integer `7`"]);
    check(&GOOD.replace(r#""chosen":"a","#, ""), &["missing field `chosen`"]);
    check(&GOOD.replace(r#""content":"Hi""#, r#""content":null"#), &["prompt[0].content"]);
    check(&GOOD.replace("user", "assistant"), &["prompt", "assistant"]);
    check(&GOOD.replace(r#""rejected":"b""#, r#""rejected":" ""#), &["rejected", "empty"]);
    check(&GOOD.replace("concise", "very concise"), &["dimension", "very concise"]);
    check(&format!("{GOOD}{GOOD}"), &["trailing"]);
}

#[test]
fn plain_and_packed_files_are_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, packed) = (folder.path().join("p.jsonl"), folder.path().join("p.jsonl.gz"));
    let lines = format!("{GOOD}\n{}\n", GOOD.replace(r#""chosen":"#, r#""chosen_complete":false,"chosen":"#));
    std::fs::write(&plain, &lines).unwrap();
    let mut encoder =
        flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    encoder.write_all(lines.as_bytes()).unwrap();
    encoder.finish().unwrap();
    for path in [plain, packed] {
        let pairs = pad_train::read(&path).unwrap();
        assert_eq!(pairs.iter().map(|p| p.chosen_complete).collect::<Vec<_>>(), [true, false]);
    }
}

#[test]
fn the_folder_has_what_the_server_reads() {
    let backbone = tiny::family("llama", 1);
    let example = Example { prompt: vec![1, 2], answers: [vec![3], vec![4, 5]], dimension: 0 };
    let corpus = Corpus { examples: vec![example], ..Corpus::default() };
    let settings = Settings { rank: 2, head_rank: 3, first_layer: Some(1), max_tokens: 16, ..Settings::default() };
    let trainer = Trainer::new(settings, &backbone, vec!["concise".into()], corpus, 1, Verbosity::Silent).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let base = Base { name: "tiny".into(), sha256: "ab".repeat(32) };
    let accuracy = [Accuracy { pairs: 4, right: 2 }, Accuracy { pairs: 4, right: 3 }];
    let record = Record { held_out: Some(vec![accuracy]), ..Record::default() };
    pad_train::write(folder.path(), &trainer, &base, &record, |name| format!("{name} answers")).unwrap();

    let text = std::fs::read_to_string(folder.path().join("persrm.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    assert_eq!(manifest["kind"].as_str(), Some("heads"));
    assert_eq!(manifest["dimensions"][0]["description"].as_str(), Some("concise answers"));
    assert_eq!(manifest["training"]["held_out"]["concise"]["accuracy"].as_float(), Some(0.75));
    assert_eq!(manifest["training"]["settings"]["rank"].as_integer(), Some(2));

    let load = |name: &str| -> HashMap<String, Tensor> {
        candle_core::safetensors::load(folder.path().join(name), &Device::Cpu).unwrap()
    };
    let (heads, adapter) = (load("heads.safetensors"), load("adapter_model.safetensors"));
    let hidden = backbone.config().hidden;
    assert_eq!(heads["heads.concise.u"].dims(), [hidden, 3]);
    assert_eq!(heads["heads.concise.v"].dims(), [hidden, 3]);
    assert_eq!((heads["heads.concise.b"].dims(), heads["heads.concise.b"].dtype()), (&[hidden][..], DType::F16));
    let layers = backbone.config().layers;
    assert_eq!(adapter.len(), 2 * 7 * (layers - 1));
    let name = "base_model.model.model.layers.1.mlp.down_proj";
    assert_eq!(adapter[&format!("{name}.lora_A.weight")].dims(), [2, backbone.config().intermediate]);
    assert_eq!(adapter[&format!("{name}.lora_B.weight")].dims(), [hidden, 2]);
    let config = std::fs::read_to_string(folder.path().join("adapter_config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!((config["r"].as_u64(), config["peft_type"].as_str()), (Some(2), Some("LORA")));
    assert_eq!(config["layers_to_transform"].as_array().unwrap().len(), layers - 1);
    assert!(std::fs::read_to_string(folder.path().join("README.md")).unwrap().contains("75.0 %"));
}
