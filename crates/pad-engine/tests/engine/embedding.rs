//! Embeddings: against a plain pass of a real model, and with the fake runner in company, in chunks and after a preemption.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use pad_engine::{BLOCK, EmbedRequest, Engine, EngineConfig, LoadedWeights, LockstepRunner, Strength, Tenant};
use pad_model::{Dtype, KvDtype, LaneChunk, Model, ModelOptions, Pool};

use super::fake::{Fake, alone, collect, engine, request, settled};

fn embedded(engine: &Engine, tokens: &[u32]) -> Vec<f32> {
    let request = EmbedRequest { tokens: tokens.into(), tenant: Tenant::default() };
    engine.embed(&request).unwrap().blocking_result().unwrap()
}

fn model() -> Model {
    let options =
        ModelOptions { dtype: Dtype::Auto, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool: Arc::new(Pool::new(2)) };
    Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/families/llama"), &options).unwrap()
}

#[test]
fn an_embedding_is_the_normalised_mean_of_the_last_hidden_states() {
    let tokens: Vec<u32> = (0..50).map(|i| 3 + (i * 7) % 60).collect();
    let plain = model();
    let (cache, blocks): (_, Vec<u32>) = (plain.kv_cache(8).unwrap(), (0..8).collect());
    assert!(tokens.len() <= 8 * BLOCK);
    let chunk = LaneChunk {
        tokens: &tokens,
        start: 0,
        blocks: &blocks,
        read: tokens.len(),
        adapter: None,
        strength: Strength::ONE,
        trunk: None,
    };
    let rows = plain.forward(&[chunk], &cache).unwrap().values().unwrap();
    assert_eq!((rows.len(), rows[0].len()), (50, 32));
    let mean: Vec<f64> =
        (0..32).map(|i| rows.iter().map(|row| f64::from(row[i])).sum::<f64>() / rows.len() as f64).collect();
    let length = mean.iter().map(|value| value * value).sum::<f64>().sqrt();
    for step_rows in [512, 20, 7] {
        let weights = LoadedWeights::new(model(), Vec::new(), 16).unwrap();
        let config = EngineConfig { step_rows, ..EngineConfig::default() };
        let engine = Engine::start(LockstepRunner::new(vec![weights]).unwrap(), config).unwrap();
        // The second time all of it is in the cache, and the hidden states are read all the same.
        let (first, second) = (embedded(&engine, &tokens), embedded(&engine, &tokens));
        assert_eq!(first, second);
        for (value, mean) in first.iter().zip(&mean) {
            assert!((f64::from(*value) - mean / length).abs() < 1e-6, "{step_rows} rows: {value}, {}", mean / length);
        }
        let other = embedded(&engine, &tokens[..49]);
        assert!(first.iter().zip(&other).any(|(one, other)| (one - other).abs() > 1e-4));
    }
}

#[test]
fn it_depends_on_neither_company_nor_chunks_nor_preemption() {
    let tokens: Vec<u32> = (1..60).collect();
    let want = embedded(&engine(Fake::new(64), EngineConfig::default()), &tokens);
    let length: f32 = want.iter().map(|value| value * value).sum();
    assert!(want.len() == 4 && (length - 1.0).abs() < 1e-6);
    let generate = request(&tokens[..20], &[], 100);
    for (step_rows, blocks) in [(512, 64), (16, 64), (3, 64), (1, 8)] {
        let engine = engine(Fake::new(blocks), EngineConfig { step_rows, ..EngineConfig::default() });
        let choice = engine.submit(generate.clone()).unwrap().remove(0);
        let request = EmbedRequest { tokens: tokens.as_slice().into(), tenant: Tenant::default() };
        let (one, other) = (engine.embed(&request).unwrap(), engine.embed(&request).unwrap());
        assert_eq!(one.blocking_result().unwrap(), want, "{step_rows} rows a step");
        assert_eq!(other.blocking_result().unwrap(), want);
        assert_eq!(collect(choice).0, alone(&generate));
        while engine.status().finished < 3 {
            std::thread::yield_now();
        }
        assert_eq!(settled(&engine).kv_blocks_used, 0);
    }
}

#[test]
fn what_cannot_be_embedded_is_refused_and_a_client_that_left_costs_nothing() {
    let engine = engine(Fake::new(64), EngineConfig::default());
    let refused = |tokens: &[u32]| {
        let request = EmbedRequest { tokens: tokens.into(), tenant: Tenant::default() };
        engine.embed(&request).unwrap_err().to_string()
    };
    assert!(refused(&[]).contains("at least one token"));
    assert!(refused(&[1; 201]).contains("context"));
    drop(engine.embed(&EmbedRequest { tokens: [1; 100].as_slice().into(), tenant: Tenant::default() }).unwrap());
    assert_eq!(embedded(&engine, &[1; 200]).len(), 4, "a text may fill the context");
    assert_eq!(settled(&engine).kv_blocks_used, 0);
}
