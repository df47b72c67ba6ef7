//! Safetensors files that lie: each is one clear line, soon.

#[path = "support/checkpoint.rs"]
mod checkpoint;
#[path = "support/peak.rs"]
mod peak;
#[path = "support/tiny.rs"]
mod tiny;

use peak::{Counting, peak_of};
use std::fmt::Write;
use std::time::{Duration, Instant};
use vlunet::Result;
use vlunet::arch::VluNetConfig;
use vlunet::weights::{Checkpoint, Weights, parse_safetensors, read_restorer, to_safetensors};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most memory that a refused file may take, beside a few times its own size.
const MEMORY: usize = 8 << 20;

fn file_of(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn read(bytes: &[u8]) -> Result<(VluNetConfig, Weights)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.safetensors");
    std::fs::write(&path, bytes).unwrap();
    read_restorer(&Checkpoint::open(&path)?)
}

/// The message with which a file is refused: one line that names it.
fn refusal(bytes: &[u8]) -> String {
    let start = Instant::now();
    let (outcome, peak) = peak_of(|| read(bytes));
    let message = outcome.map(|(config, _)| config).expect_err("it should be refused").to_string();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}: {message}", start.elapsed());
    assert!(peak < MEMORY + 16 * bytes.len(), "{peak} bytes for a file of {}: {message}", bytes.len());
    assert!(!message.contains(char::is_control) && message.len() < 2000, "{message:?}");
    assert!(message.contains("hostile.safetensors") || message.contains("weight"), "{message}");
    // The same bytes as a bundle's file.
    if let Err(error) = parse_safetensors(bytes, "hostile.safetensors") {
        let message = error.to_string();
        assert!(
            !message.contains(char::is_control) && message.contains("hostile.safetensors"),
            "{message:?}"
        );
    }
    message
}

fn tiny_file() -> Vec<u8> {
    let weights = tiny::weights(&tiny::config(), 1);
    let named: Weights =
        weights.iter().map(|(name, tensor)| (format!("net.{name}"), tensor.clone())).collect();
    to_safetensors(&named, None).unwrap()
}

#[test]
fn the_network_is_read_back_equal_from_safetensors() {
    let (config, weights) = read(&tiny_file()).unwrap();
    assert_eq!(config, tiny::config());
    assert!(weights == tiny::used(&config, &tiny::weights(&config, 1)));
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let file = tiny_file();
    let cuts = (0..32).chain((1..32).map(|part| part * file.len() / 32)).chain(file.len() - 9..file.len());
    for end in cuts {
        refusal(&file[..end]);
    }
    refusal(&[&file[..], b"\0"].concat());
}

#[test]
fn a_header_length_that_lies_is_refused() {
    let file = tiny_file();
    let real = u64::from_le_bytes(*file.first_chunk().unwrap());
    for length in [0, 1, real - 1, real + 1, file.len() as u64, 100_000_001, u64::MAX - 8, u64::MAX] {
        let mut lying = file.clone();
        lying[..8].copy_from_slice(&length.to_le_bytes());
        assert!(refusal(&lying).contains("is no whole safetensors file"), "{length}");
    }
}

#[test]
fn a_header_that_makes_no_sense_is_refused() {
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"output.weight":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    for header in [
        tensor("F32", "[2]", "[0,16]"),
        tensor("F32", "[2]", "[8,0]"),
        tensor("F32", "[2]", "[4,12]"),
        tensor("F32", "[-2]", "[0,8]"),
        tensor("F32", "[18446744073709551615,2]", "[0,8]"),
        tensor("F32", "[4294967296,4294967296,4]", "[0,8]"),
        tensor("F32", "[2.5]", "[0,8]"),
        tensor("F31", "[2]", "[0,8]"),
        tensor("\\u001b[2J\\nerror: on fire", "[2]", "[0,8]"),
        format!(r#"{{"a":{}"#, "[".repeat(100_000)),
        r#"{"a":1}"#.into(),
        "{}".into(),
        "{".into(),
        r#"{"__metadata__":{"a":1}}"#.into(),
        "{\"a\u{0}\":{}}".into(),
    ] {
        refusal(&file_of(&header, &[0; 8]));
    }
    let not_text = [&2_u64.to_le_bytes()[..], b"{\xff"].concat();
    refusal(&not_text);
}

#[test]
fn a_name_cannot_write_into_the_log() {
    for name in [r"\u001b[2Jx", r"a\nerror: the disk is on fire", &"long".repeat(10_000)] {
        let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}}"#);
        let message = refusal(&file_of(&header, &[0; 8]));
        assert!(message.contains("control characters or over"), "{message}");
    }
}

#[test]
fn weights_that_are_no_floats_are_named_with_their_file() {
    let file = tiny_file();
    let header = file.windows(5).position(|dtype| dtype == b"\"F32\"").unwrap();
    let mut integers = file.clone();
    integers[header..header + 5].copy_from_slice(b"\"I32\"");
    let message = refusal(&integers);
    assert!(message.contains("weight") && message.contains("I32, not floats"), "{message}");
}

#[test]
fn a_header_full_of_other_tensors_is_read_in_time() {
    let file = tiny_file();
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let header = std::str::from_utf8(&file[8..8 + length]).unwrap().trim_end();
    let end = file.len() - 8 - length;
    let mut header = header.strip_suffix('}').unwrap().to_owned();
    for index in 0..50_000 {
        write!(header, r#","other.{index}":{{"dtype":"F32","shape":[0],"data_offsets":[{end},{end}]}}"#)
            .unwrap();
    }
    header.push('}');
    let file = file_of(&header, &file[8 + length..]);
    let start = Instant::now();
    read(&file).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn what_is_no_safetensors_file_says_so() {
    refusal(b"");
    refusal(b"Dear all,\nplease find the weights attached.\n");
    refusal(b"#!/bin/{bash}\n");
    refusal(b"12345678{\"a\": 1}");
}
