//! The places in TensorRT's vtables that the shim calls are those of the oldest version served.
//!
//! Within a major version vtables only grow at their ends (10.8 is an exception, at place 61 of
//! INetworkDefinition), so that a shim compiled with newer headers runs with TensorRT 10.3 as long as
//! it calls nothing beyond that version's places.
#![allow(unsafe_code)]

use super::shim;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Virtual functions that each class has in 10.3, without destructors, as far as they are of the same
/// place in all of 10.
const IN_10_3: [(&str, usize); 15] = [
    ("IParser", 8),
    ("IParserError", 6),
    ("VBuilder", 18),
    ("VBuilderConfig", 58),
    ("VCudaEngine", 52),
    ("VElementWiseLayer", 2),
    ("VExecutionContext", 48),
    ("VHostMemory", 3),
    ("VLayer", 16),
    ("VNetworkDefinition", 61),
    ("VOptimizationProfile", 8),
    ("VRuntime", 21),
    ("VTensor", 21),
    ("VTimingCache", 3),
    ("VUnaryLayer", 2),
];

/// Of the repository, of which `tests/tensorrt` is a crate of its own.
fn root() -> &'static Path {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.find(|folder| folder.join("third_party/tensorrt").is_dir()).unwrap()
}

/// What the shim was compiled to: class, method and place.
fn compiled(major: u32) -> BTreeMap<(String, String), i32> {
    let api = shim::api(major).unwrap();
    // SAFETY: the shim's own array, of texts that are constants.
    let slots = unsafe { std::slice::from_raw_parts(api.slots, api.slot_count) };
    // SAFETY: the same.
    let text = |text| unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned();
    slots.iter().map(|slot| ((text(slot.class), text(slot.method)), slot.slot)).collect()
}

fn without_comments(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
    lines.join("\n")
}

/// The virtual functions of each class that a header declares, in their order.
fn declared(major: u32, header: &str) -> BTreeMap<String, Vec<String>> {
    let path = root().join(format!("third_party/tensorrt/{major}/{header}"));
    let text = without_comments(&fs::read_to_string(path).unwrap());
    let mut classes = BTreeMap::new();
    for part in text.split("\nclass ").skip(1) {
        let Some((head, body)) = part.split_once("\n{") else { continue };
        let name = head.split([' ', '\n']).find(|word| !word.starts_with("TRT_")).unwrap().to_owned();
        let body = body.split("\n};").next().unwrap();
        let method = |declaration: &str| {
            let before = declaration.split_once('(').unwrap().0;
            before.split([' ', '*', '&', '\n']).next_back().unwrap().to_owned()
        };
        classes.insert(name, body.split("virtual ").skip(1).map(method).collect());
    }
    classes
}

#[test]
fn what_is_called_has_the_place_that_the_headers_give_it() {
    for major in [10, 11] {
        let inner = declared(major, "NvInferImpl.h");
        let parser = declared(major, "NvOnnxParser.h");
        for ((class, method), slot) in compiled(major) {
            // VRoot, from which all are derived, begins with a destructor, which takes two places.
            let (methods, first) = match inner.get(&class) {
                Some(methods) => (methods, 2),
                None => (&parser[&class], 0),
            };
            let at = methods.iter().position(|found| *found == method).unwrap_or(usize::MAX);
            assert_eq!(usize::try_from(slot), Ok(at + first), "{class}::{method} of {major}");
        }
    }
}

#[test]
fn nothing_is_called_that_tensorrt_10_3_does_not_have() {
    for ((class, method), slot) in compiled(10) {
        let (_, count) = IN_10_3.iter().find(|(found, _)| *found == class).unwrap();
        let first = if class.starts_with('V') { 2 } else { 0 };
        let at = usize::try_from(slot).unwrap() - first;
        assert!(at < *count, "{class}::{method} is at {at}, and 10.3 has {count}");
    }
}

#[test]
fn places_are_the_ones_that_were_seen() {
    // A change of the headers that moves one of these is a change of what boards the program runs on.
    for (class, method, ten, eleven) in SEEN {
        let key = ((*class).to_owned(), (*method).to_owned());
        for (major, slot) in [(10, *ten), (11, *eleven)] {
            assert_eq!(
                compiled(major).get(&key).copied().unwrap_or(-1),
                slot,
                "{class}::{method} of {major}"
            );
        }
    }
    assert_eq!(compiled(10).len(), SEEN.len());
}

#[test]
fn the_shim_calls_nothing_that_is_not_in_its_list() {
    let folder = root().join("src/backend/tensorrt/shim");
    let sources: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(sources.len() >= 5);
    for major in [10, 11] {
        let mut methods: BTreeSet<String> =
            declared(major, "NvInferImpl.h").into_values().flatten().collect();
        methods.extend(
            ["IParser", "IParserError"]
                .iter()
                .flat_map(|class| declared(major, "NvOnnxParser.h")[*class].clone()),
        );
        assert!(methods.len() > 300, "{}", methods.len());
        // What only 10 calls is in the list of 10.
        let listed: BTreeSet<String> =
            [10, major].into_iter().flat_map(compiled).map(|((_, method), _)| method).collect();
        for source in &sources {
            let text = without_comments(&fs::read_to_string(source).unwrap());
            for call in text.split("->").skip(1).chain(text.split('.').skip(1)) {
                let name: String =
                    call.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                let is_call = call[name.len()..].starts_with('(');
                if is_call && methods.contains(&name) {
                    assert!(listed.contains(&name), "{} calls {name}", source.display());
                }
            }
        }
    }
}

#[test]
fn the_parsers_destructor_comes_after_what_all_versions_have() {
    for major in [10, 11] {
        let parser = &declared(major, "NvOnnxParser.h")["IParser"];
        let at = parser.iter().position(|method| method == "~IParser").unwrap();
        assert_eq!(parser[at - 1], "clearErrors");
        assert_eq!(at, if major == 10 { 8 } else { 6 });
    }
}

/// Class, function, and its place in 10.3 to 10.16 and in 11.4; -1 where that major doesn't call it.
const SEEN: &[(&str, &str, i32, i32)] = &[
    ("IParser", "getError", 6, 4),
    ("IParser", "getNbErrors", 5, 3),
    ("IParser", "parse", 0, 0),
    ("IParserError", "desc", 1, 1),
    ("IParserError", "node", 5, 5),
    ("VBuilder", "buildSerializedNetwork", 14, 11),
    ("VBuilder", "createBuilderConfig", 7, 5),
    ("VBuilder", "createNetworkV2", 8, 6),
    ("VBuilder", "createOptimizationProfile", 9, 7),
    ("VBuilder", "getNbDLACores", 5, 3),
    ("VBuilderConfig", "addOptimizationProfile", 25, 23),
    ("VBuilderConfig", "clearFlag", 10, 8),
    ("VBuilderConfig", "createTimingCache", 40, 29),
    ("VBuilderConfig", "getTimingCache", 42, 31),
    ("VBuilderConfig", "setBuilderOptimizationLevel", 47, 36),
    ("VBuilderConfig", "setDLACore", 18, 16),
    ("VBuilderConfig", "setDefaultDeviceType", 20, 18),
    ("VBuilderConfig", "setFlag", 11, 9),
    ("VBuilderConfig", "setMemoryPoolLimit", 43, 32),
    ("VBuilderConfig", "setProgressMonitor", 56, 45),
    ("VBuilderConfig", "setTimingCache", 41, 30),
    ("VCudaEngine", "createExecutionContext", 5, 5),
    ("VCudaEngine", "getDeviceMemorySizeV2", 52, 44),
    ("VCudaEngine", "getIOTensorName", 31, 27),
    ("VCudaEngine", "getNbIOTensors", 30, 26),
    ("VCudaEngine", "getNbOptimizationProfiles", 10, 8),
    ("VCudaEngine", "getProfileShape", 29, 25),
    ("VCudaEngine", "getTensorDataType", 20, 16),
    ("VCudaEngine", "getTensorIOMode", 23, 19),
    ("VCudaEngine", "getTensorLocation", 21, 17),
    ("VCudaEngine", "getTensorShape", 19, 15),
    ("VElementWiseLayer", "getOperation", 3, -1),
    ("VExecutionContext", "enqueueV3", 37, 36),
    ("VExecutionContext", "getTensorShape", 22, 21),
    ("VExecutionContext", "setInputShape", 21, 20),
    ("VExecutionContext", "setOptimizationProfileAsync", 17, 16),
    ("VExecutionContext", "setTensorAddress", 24, 23),
    ("VHostMemory", "data", 2, 2),
    ("VHostMemory", "size", 3, 3),
    ("VLayer", "getInput", 6, -1),
    ("VLayer", "getNbInputs", 5, -1),
    ("VLayer", "getNbOutputs", 7, -1),
    ("VLayer", "getOutput", 8, -1),
    ("VLayer", "getType", 2, -1),
    ("VLayer", "setOutputType", 14, -1),
    ("VLayer", "setPrecision", 10, -1),
    ("VNetworkDefinition", "getInput", 15, 15),
    ("VNetworkDefinition", "getLayer", 13, -1),
    ("VNetworkDefinition", "getNbInputs", 14, 14),
    ("VNetworkDefinition", "getNbLayers", 12, -1),
    ("VOptimizationProfile", "setDimensions", 2, 2),
    ("VRuntime", "deserializeCudaEngine", 3, 3),
    ("VRuntime", "getNbDLACores", 7, 6),
    ("VRuntime", "setDLACore", 5, 4),
    ("VTensor", "getDimensions", 5, 5),
    ("VTensor", "getName", 3, 3),
    ("VTensor", "getType", 7, -1),
    ("VTensor", "isNetworkOutput", 10, -1),
    ("VTimingCache", "serialize", 2, 2),
    ("VUnaryLayer", "getOperation", 3, -1),
];
