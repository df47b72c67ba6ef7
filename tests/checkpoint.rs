//! PyTorch checkpoints are read as PyTorch reads them, and run nothing.

#[path = "support/checkpoint.rs"]
mod checkpoint;
#[path = "support/tiny.rs"]
mod tiny;

use checkpoint::{Archive, Element, Value, View, file_of};
use ndarray::ArrayD;
use std::path::PathBuf;
use tempfile::TempDir;
use vlunet::Result;
use vlunet::arch::VluNetConfig;
use vlunet::weights::{Checkpoint, Weights, read_restorer, read_vlm};

fn saved(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.ckpt");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn read(bytes: &[u8]) -> Result<(VluNetConfig, Weights)> {
    let (_folder, path) = saved(bytes);
    read_restorer(&Checkpoint::open(&path)?)
}

fn assert_read_back(bytes: &[u8], weights: &Weights) {
    let (config, read) = read(bytes).unwrap();
    assert_eq!(config, tiny::config());
    assert!(read == tiny::used(&config, weights), "other numbers than were written");
}

/// What Lightning keeps beside the `state_dict`.
fn lightning_extras(archive: &mut Archive<std::io::Cursor<Vec<u8>>>) -> Vec<(&'static str, Value)> {
    let moment = archive.tensor(Element::F32, &[3], &[0.1, 0.2, 0.3]);
    let step = archive.tensor(Element::I64, &[], &[7.0]);
    let state = Value::Dict(vec![(Value::Int(0), Value::dict([("step", step), ("exp_avg", moment)]))]);
    let group = Value::dict([("lr", Value::Float(2e-4)), ("params", Value::List(vec![Value::Int(0)]))]);
    let optimizer = Value::dict([("state", state), ("param_groups", Value::List(vec![group]))]);
    let device = Value::call("torch", "device", vec![Value::text("cuda"), Value::Int(0)]);
    let counter =
        Value::call("collections", "Counter", vec![Value::Dict(vec![(Value::Int(75), Value::Int(1))])]);
    let options = vec![(Value::text("epochs"), Value::Int(150)), (Value::text("de_type"), Value::None)];
    vec![
        ("epoch", Value::Int(149)),
        ("global_step", Value::Int(1 << 40)),
        ("pytorch-lightning_version", Value::text("2.0.1")),
        ("loops", Value::dict([("fit_loop", Value::dict([("state", Value::List(vec![]))]))])),
        ("callbacks", Value::dict([("ModelCheckpoint{'monitor': None}", Value::Bool(true))])),
        ("optimizer_states", Value::List(vec![optimizer])),
        ("lr_schedulers", Value::List(vec![Value::dict([("milestones", counter)])])),
        ("device", device),
        ("hyper_parameters", Value::instance("argparse", "Namespace", options)),
    ]
}

#[test]
fn a_lightning_checkpoint_is_read_back_equal_with_and_without_its_other_entries() {
    let weights = tiny::weights(&tiny::config(), 1);
    assert_read_back(&tiny::checkpoint(&weights), &weights);

    let mut archive = Archive::in_memory();
    let mut root = lightning_extras(&mut archive);
    let entries = tiny::state_dict(&mut archive, Element::F32, &weights);
    root.push(("state_dict", Value::Ordered(entries)));
    let file = archive.finish(&Value::dict(root)).into_inner();
    assert_read_back(&file, &weights);
}

#[test]
fn the_tensors_may_lie_under_any_usual_key_or_none() {
    let weights = tiny::weights(&tiny::config(), 2);
    for key in [Some("state_dict"), Some("model_state_dict"), Some("model"), Some("params"), None] {
        let mut archive = Archive::in_memory();
        let entries = tiny::state_dict(&mut archive, Element::F32, &weights);
        let root = match key {
            Some(key) => Value::dict([(key, Value::Dict(entries))]),
            None => Value::Dict(entries),
        };
        assert_read_back(&archive.finish(&root).into_inner(), &weights);
    }
}

#[test]
fn every_float_storage_gives_the_same_numbers() {
    let weights = tiny::weights(&tiny::config(), 3);
    for element in [Element::F64, Element::F32, Element::F16, Element::BF16] {
        let mut archive = Archive::in_memory();
        let entries = tiny::state_dict(&mut archive, element, &weights);
        let file = archive.finish(&Value::dict([("state_dict", Value::Ordered(entries))])).into_inner();
        assert_read_back(&file, &weights);
    }
}

#[test]
fn tensors_that_share_a_storage_are_each_read_from_their_place() {
    let weights = tiny::weights(&tiny::config(), 4);
    let numbers: Vec<f32> = weights.iter().flat_map(|(_, tensor)| tensor.iter().copied()).collect();
    let mut archive = Archive::in_memory();
    let key = archive.storage(&Element::F32.encode(&numbers));
    let mut offset = 0;
    let mut entries = Vec::new();
    for (name, tensor) in weights.iter() {
        let whole = View::contiguous(Element::F32, &key, tensor.shape());
        let view = View { offset, numel: numbers.len() as i64, ..whole };
        offset += tensor.len() as i64;
        entries.push((Value::text(format!("net.{name}")), view.value()));
        // A second name for the same tensor, as the text encoder's copy of CLIP is.
        entries.push((Value::text(format!("model_degradation.copy.{name}")), view.value()));
    }
    let file = archive.finish(&Value::dict([("state_dict", Value::Ordered(entries))])).into_inner();
    assert_read_back(&file, &weights);
}

#[test]
fn tensors_that_are_stored_in_another_order_are_read_row_by_row() {
    let weights = tiny::weights(&tiny::config(), 5);
    let mut archive = Archive::in_memory();
    let mut entries = Vec::new();
    let mut reordered = 0;
    for (name, tensor) in weights.iter() {
        // All axes in the opposite order, as a transposed tensor lies; 3 more numbers before it.
        let transposed = tensor.clone().reversed_axes();
        let numbers: Vec<f32> = [9.0; 3].into_iter().chain(transposed.iter().copied()).collect();
        let key = archive.storage(&Element::F32.encode(&numbers));
        let extents: Vec<i64> = transposed.shape().iter().map(|extent| *extent as i64).collect();
        let mut stride = checkpoint::row_major(&extents);
        stride.reverse();
        let whole = View::contiguous(Element::F32, &key, tensor.shape());
        reordered += usize::from(stride != whole.stride);
        let view = View { offset: 3, numel: numbers.len() as i64, stride, ..whole };
        entries.push((Value::text(format!("net.{name}")), view.value()));
    }
    assert!(reordered > 50, "{reordered} tensors were reordered");
    let file = archive.finish(&Value::dict([("state_dict", Value::Ordered(entries))])).into_inner();
    assert_read_back(&file, &weights);
}

#[test]
fn a_call_in_a_checkpoint_is_never_made() {
    let weights = tiny::weights(&tiny::config(), 6);
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("it ran");
    let shell = format!("touch '{}'", marker.display());
    let python = format!("open({:?}, 'w')", marker.display().to_string());
    let calls = [
        ("os", "system", vec![Value::text(&shell)]),
        ("posix", "system", vec![Value::text(&shell)]),
        ("subprocess", "check_output", vec![Value::List(["sh", "-c", &shell].map(Value::text).to_vec())]),
        ("builtins", "eval", vec![Value::text(&python)]),
        ("__builtin__", "exec", vec![Value::text(&python)]),
    ];
    for (module, function, arguments) in calls {
        let mut archive = Archive::in_memory();
        let entries = tiny::state_dict(&mut archive, Element::F32, &weights);
        let root =
            [("payload", Value::call(module, function, arguments)), ("state_dict", Value::Ordered(entries))];
        // The entry is skipped: the weights beside it are as good as ever.
        assert_read_back(&archive.finish(&Value::dict(root)).into_inner(), &weights);
        assert!(!marker.exists(), "{module}.{function} was called");
    }
    // As the whole of a file it is no checkpoint.
    let (_folder, path) = saved(&file_of(&Value::call("os", "system", vec![Value::text(shell)])));
    assert!(Checkpoint::open(&path).is_err());
    assert!(!marker.exists());
}

/// The message of reading a checkpoint of these tensors.
fn refusal(weights: &Weights) -> String {
    let message = read(&tiny::checkpoint(weights)).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn a_missing_extra_or_misshaped_tensor_is_named() {
    let weights = tiny::weights(&tiny::config(), 7);
    let without = |name: &str| -> Weights {
        let kept = weights.iter().filter(|(found, _)| *found != name);
        kept.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
    };
    let name = "latent.denoiser.blocks.0.ffn.dwconv.weight";
    assert!(refusal(&without(name)).contains(&format!("missing {name}")));

    let mut extra = weights.clone();
    extra.insert("latent.surprise", ArrayD::zeros(vec![1]));
    assert!(refusal(&extra).contains("unknown latent.surprise"));

    let mut misshaped = weights.clone();
    misshaped.insert("output.weight", ArrayD::zeros(vec![3, 20, 3, 1]));
    assert!(refusal(&misshaped).contains("misshaped output.weight ([3, 20, 3, 1] instead of [3, 20, 3, 3])"));

    // The reference never reads this one.
    read(&tiny::checkpoint(&without("down1_2_i.body.0.weight"))).unwrap();
    let message = refusal(&without("patch_embed.proj.weight"));
    assert!(message.contains("last.ckpt holds no VLU-Net"), "{message}");
}

#[test]
fn weights_that_are_not_finite_are_named() {
    let mut weights = tiny::weights(&tiny::config(), 8);
    for (name, broken) in [("refinement.gradient_descent.r", f32::NAN), ("output.weight", f32::INFINITY)] {
        let sound = weights.get(name).unwrap().clone();
        let mut damaged = sound.clone();
        damaged[vec![0; sound.ndim()].as_slice()] = broken;
        weights.insert(name, damaged);
        let message = refusal(&weights);
        assert!(message.contains(name) && message.contains("1 NaN or infinite"), "{message}");
        weights.insert(name, sound);
    }
}

#[test]
fn weights_that_are_no_floats_are_named_with_their_file() {
    let weights = tiny::weights(&tiny::config(), 9);
    let mut archive = Archive::in_memory();
    let mut entries = tiny::state_dict(&mut archive, Element::F32, &weights);
    let integers = archive.tensor(Element::I64, &[1], &[1.0]);
    let name = "net.latent.gradient_descent.r";
    entries.iter_mut().find(|(key, _)| matches!(key, Value::Text(key) if key == name)).unwrap().1 = integers;
    let message =
        read(&archive.finish(&Value::dict([("state_dict", Value::Dict(entries))])).into_inner()).unwrap_err();
    let message = message.to_string();
    assert!(message.contains(name) && message.contains("last.ckpt") && message.contains("I64"), "{message}");
}

#[test]
fn a_checkpoint_without_a_vlm_head_has_none() {
    let (_folder, path) = saved(&tiny::checkpoint(&tiny::weights(&tiny::config(), 10)));
    assert!(read_vlm(&Checkpoint::open(&path).unwrap()).unwrap().is_none());
}
