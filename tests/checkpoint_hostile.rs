//! Checkpoints that lie: each is one clear line, soon, and takes little memory.

#[path = "support/checkpoint.rs"]
mod checkpoint;
#[path = "support/peak.rs"]
mod peak;
#[path = "support/tiny.rs"]
mod tiny;

use checkpoint::{Archive, Element, Value, View, ZipField, file_of, lie};
use peak::{Counting, peak_of};
use std::time::{Duration, Instant};
use vlunet::arch::{Parameter, VluNetConfig};
use vlunet::weights::{Checkpoint, read_restorer};
use zip::CompressionMethod;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most memory that a refused file may take, beside the file's own size.
const MEMORY: usize = 64 << 20;

/// The same where a pickle copies what it holds: the reader allows a million objects and 64 MiB
/// of text.
const MEMORY_OF_COPIES: usize = 160 << 20;

/// The message with which a checkpoint is refused; it is one line of sane length that names
/// the file, or a tensor.
fn refusal(bytes: &[u8]) -> String {
    refusal_within(bytes, MEMORY)
}

fn refusal_within(bytes: &[u8], memory: usize) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.ckpt");
    std::fs::write(&path, bytes).unwrap();
    let start = Instant::now();
    let (outcome, peak) = peak_of(|| Checkpoint::open(&path).and_then(|file| read_restorer(&file)));
    let message = outcome.map(|(config, _)| config).expect_err("it should be refused").to_string();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}: {message}", start.elapsed());
    assert!(peak < memory + bytes.len(), "{peak} bytes: {message}");
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(message.len() < 1000, "{} bytes: {message}", message.len());
    assert!(message.contains("hostile.ckpt") || message.contains("weight"), "{message}");
    message
}

fn assert_refused(bytes: &[u8], reason: &str) {
    let message = refusal(bytes);
    assert!(message.contains(reason), "{message:?} does not say {reason:?}");
}

/// A checkpoint of the tiny network in which this view stands for one of its tensors.
fn with_view(change: impl FnOnce(&mut View)) -> Vec<u8> {
    let weights = tiny::weights(&tiny::config(), 1);
    let mut archive = Archive::in_memory();
    let mut entries = tiny::state_dict(&mut archive, Element::F32, &weights);
    let name = "net.output.weight";
    let place = entries.iter_mut().find(|(key, _)| matches!(key, Value::Text(key) if key == name)).unwrap();
    let tensor = weights.get("output.weight").unwrap();
    let key = archive.storage(&Element::F32.encode(tensor.as_slice().unwrap()));
    let mut view = View::contiguous(Element::F32, &key, tensor.shape());
    change(&mut view);
    place.1 = view.value();
    archive.finish(&Value::dict([("state_dict", Value::Ordered(entries))])).into_inner()
}

#[test]
fn a_tensor_beyond_its_storage_is_refused() {
    assert_refused(&with_view(|view| view.offset = 1), "declares 540");
    assert_refused(&with_view(|view| view.size[0] = 4), "declares 540");
    assert_refused(&with_view(|view| view.stride[0] = 181), "declares 540");
    assert_refused(&with_view(|view| view.numel = 539), "declares 539");
    assert_refused(&with_view(|view| view.offset = i64::MAX), "hostile.ckpt");
    assert_refused(&with_view(|view| view.stride[3] = i64::MAX), "overflows");
    assert_refused(&with_view(|view| view.size[3] = i64::MAX), "overflows");
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    assert_refused(&with_view(|view| view.offset = -1), "must be non-negative");
    assert_refused(&with_view(|view| view.size[1] = -20), "must be non-negative");
    assert_refused(&with_view(|view| view.stride[1] = -9), "must be non-negative");
    assert_refused(&with_view(|view| view.numel = -540), "must be non-negative");
    assert_refused(&with_view(|view| view.numel = i64::MAX), "overflows");
    assert_refused(&with_view(|view| view.stride.truncate(3)), "rank 3");
    assert_refused(&with_view(|view| view.size = vec![0, 20, 3, 3]), "misshaped output.weight");
}

#[test]
fn a_storage_that_is_missing_or_short_is_named_with_its_tensor() {
    let name = "net.output.weight";
    for key in ["gone", "../data.pkl", "/etc/hostname", ""] {
        let message = refusal(&with_view(|view| view.key = key.into()));
        assert!(message.contains(name) && message.contains("not found"), "{message}");
    }
    // The pickle says more than the file holds.
    let message = refusal(&with_view(|view| {
        view.numel = 1 << 40;
        view.offset = 1 << 39;
    }));
    assert!(message.contains(name) && message.contains("are available"), "{message}");
}

/// A network of 44 million parameters that all lie on one storage of so many zeros.
fn large_network_on(numbers: usize, expanded: bool) -> Vec<u8> {
    let config =
        VluNetConfig { dim: 32, num_blocks: [16; 4], num_refinement_blocks: 16, ..VluNetConfig::full() };
    let mut archive = Archive::in_memory();
    let key = archive.storage(&vec![0; 4 * numbers]);
    let entry = |parameter: Parameter| {
        let whole = View::contiguous(Element::F32, &key, &parameter.shape);
        let stride = if expanded { vec![0; parameter.shape.len()] } else { whole.stride.clone() };
        let view = View { numel: numbers as i64, stride, ..whole };
        (Value::text(format!("net.{}", parameter.name)), view.value())
    };
    let entries = config.parameters().into_iter().map(entry).collect();
    archive.finish(&Value::dict([("state_dict", Value::Ordered(entries))])).into_inner()
}

#[test]
fn views_that_claim_more_than_the_file_holds_are_refused() {
    // A single number in the place of each tensor.
    assert_refused(&large_network_on(1, true), "more than 2 times the whole file");
    // 6 MB that all of them share: none claims too much, but together they do.
    assert_refused(&large_network_on(1_500_000, true), "more than 2 times the whole file");
    assert_refused(&large_network_on(1_500_000, false), "more than 2 times the whole file");
    let terabyte = with_view(|view| (view.size, view.stride) = (vec![1 << 20, 1 << 20], vec![0, 0]));
    assert_refused(&terabyte, "limit");
}

#[test]
fn pickles_that_copy_themselves_are_refused() {
    let mut doubling = b"K\x01q\x00".to_vec();
    (0..60).for_each(|_| doubling.extend(b"h\x00h\x00\x86q\x00"));
    let mut copies = vec![b'X'];
    copies.extend((2_u32 << 20).to_le_bytes());
    copies.extend(vec![b'a'; 2 << 20]);
    copies.extend(b"q\x00(");
    (0..1000).for_each(|_| copies.extend(b"h\x00"));
    copies.push(b't');
    let duplicates = [b"K\x01".as_slice(), &b"2\x86".repeat(60)].concat();
    for bomb in [doubling, copies, duplicates] {
        let message = refusal_within(&file_of(&Value::Raw(bomb)), MEMORY_OF_COPIES);
        assert!(message.contains("memo bomb"), "{message}");
    }
}

#[test]
fn pickles_of_more_objects_than_any_network_are_refused() {
    // 6 KB of file, 6 MB of `None`, 600 MB of objects.
    let nothings = Value::Raw(vec![b'N'; 6 << 20]);
    let file = Archive::in_memory().finish_by(&nothings, CompressionMethod::Deflated).into_inner();
    assert!(file.len() < 10_000);
    assert_refused(&file, "more than the 4194304");
    assert_refused(&file_of(&nothings), "more than the 4194304");
}

#[test]
fn pickles_that_nest_without_end_are_refused() {
    for (open, close) in
        [(&b"]"[..], &b"a"[..]), (b"(", b"t"), (b"}K\x01", b"s"), (b"", b"\x85"), (b"", b"K\x01\x86")]
    {
        let deep = [&open.repeat(100_000)[..], b"N", &close.repeat(100_000)].concat();
        assert_refused(&file_of(&Value::Raw(deep)), "nesting");
    }
}

#[test]
fn lengths_that_nothing_backs_are_refused() {
    for claim in [&b"X\xff\xff\xff\xff"[..], b"B\xff\xff\xff\xff", b"\x8b\xff\xff\xff\x7f"] {
        refusal(&file_of(&Value::Raw(claim.to_vec())));
    }
    refusal(&file_of(&Value::Raw(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec())));
}

#[test]
fn pickles_that_make_no_sense_are_refused() {
    for opcodes in [
        &b"R"[..],
        b"(",
        b"t",
        b"u",
        b"}Na",
        b"}(NNu",
        b"}(]NuK\x01",
        b"h\x09",
        b"\xff",
        b"\x82\x01",
        b"\x97",
        b"\x80\x09N",
        b"NQ",
        b"(X\x07\x00\x00\x00storageK\x01K\x02K\x03K\x04tQ",
        b"Vnever ends",
        b"ccollections\nOrderedDict\n(K\x01tR",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R",
        b"ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x01K\x01K\x01K\x01K\x01tR",
        b"",
        b"]",
        b"K\x07",
    ] {
        refusal(&file_of(&Value::Raw(opcodes.to_vec())));
    }
    assert_refused(&file_of(&Value::dict([("state_dict", Value::Int(1))])), "holds no tensors");
    assert_refused(&file_of(&Value::dict([("state_dict", Value::Dict(vec![]))])), "holds no tensors");
}

#[test]
fn a_name_cannot_write_into_the_log() {
    let mut archive = Archive::in_memory();
    let weights = tiny::weights(&tiny::config(), 2);
    let mut entries = tiny::state_dict(&mut archive, Element::F32, &weights);
    let tensor = archive.tensor(Element::F32, &[1], &[1.0]);
    entries.push((Value::text("net.latent.\x1b[2Jx\nerror: the disk is on fire"), tensor));
    let file = archive.finish(&Value::dict([("state_dict", Value::Ordered(entries))])).into_inner();
    assert_refused(&file, "control characters");
    // A message that quotes the file's own words.
    let tensor = View::contiguous(Element::F32, "0", &[1]).value();
    let words = format!("\x1b[2J{}", "on fire ".repeat(100_000));
    assert_refused(&file_of(&Value::call("torch._utils", &words, vec![tensor])), "on fire");
}

#[test]
fn a_zip_that_lies_about_its_entries_is_refused() {
    let file = tiny::checkpoint(&tiny::weights(&tiny::config(), 3));
    for entry in ["data.pkl", "data/0"] {
        for field in [ZipField::Size, ZipField::CompressedSize, ZipField::LocalHeader, ZipField::Method] {
            for value in [0x7fff_ffff, 0xffff_fffe, 0xffff_ffff, 99] {
                let mut lying = file.clone();
                lie(&mut lying, entry, field, value);
                refusal(&lying);
            }
        }
    }
}

#[test]
fn a_zip_that_holds_no_sound_checkpoint_is_refused() {
    let zip_of = |entries: &[(&str, &[u8])]| {
        let mut archive = Archive::in_memory();
        entries.iter().for_each(|(name, bytes)| archive.entry(name, bytes));
        archive.finish(&Value::dict([("r", Value::Int(1))])).into_inner()
    };
    let mut other_name = zip_of(&[]);
    for at in 0..other_name.len() - 8 {
        if other_name[at..].starts_with(b"data.pkl") {
            other_name[at..at + 8].copy_from_slice(b"data.txt");
        }
    }
    assert_refused(&other_name, "No data.pkl");
    assert_refused(&zip_of(&[("data/0", &[0; 4])]), "holds no tensors");
    let sound = tiny::checkpoint(&tiny::weights(&tiny::config(), 5));
    let place = sound.windows(6).position(|word| word == b"little").unwrap();
    for order in [b"BIGBIG", b"\x1b[2J\n\xff"] {
        let mut other = sound.clone();
        other[place..place + 6].copy_from_slice(order);
        refusal(&other);
    }
    // Compressed, the directory says.
    for (claimed, compressed) in [(0x7fff_ffff, 8), (99, 8), (0, 8)] {
        let mut file = zip_of(&[]);
        lie(&mut file, "data.pkl", ZipField::Size, claimed);
        lie(&mut file, "data.pkl", ZipField::Method, compressed);
        refusal(&file);
    }
}

#[test]
fn a_checkpoint_that_is_cut_anywhere_is_refused() {
    let file = tiny::checkpoint(&tiny::weights(&tiny::config(), 4));
    let cuts = (0..64).map(|part| part * file.len() / 64).chain(file.len() - 64..file.len());
    for end in cuts {
        refusal(&file[..end]);
    }
}

#[test]
fn other_containers_are_refused_before_they_are_read() {
    // PyTorch of 2016 wrote tars, in which a sparse file of 512 bytes may claim any size.
    let mut header = tar::Header::new_gnu();
    header.set_path("storages").unwrap();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.realsize = *b"010000000000";
    gnu.sparse[0].offset = *b"010000000000";
    gnu.sparse[0].numbytes = *b"000000000000";
    header.set_cksum();
    assert_refused(&[header.as_bytes().as_slice(), &[0; 1024]].concat(), "neither");
    // A plain pickle holds no tensors, but 90 times its size in memory.
    let mut plain = b"\x80\x02".to_vec();
    plain.extend(vec![b'N'; 4 << 20]);
    assert_refused(&plain, "neither");
}

#[test]
fn what_is_no_checkpoint_says_so() {
    for bytes in
        [&b""[..], b"PK", b"PK\x03\x04", b"import torch\n", b"configuration = 1\n", b"<html>not found</html>"]
    {
        refusal(bytes);
    }
    let folder = tempfile::tempdir().unwrap();
    let message = Checkpoint::open(folder.path()).err().unwrap().to_string();
    assert!(message.contains("is no file"), "{message}");
    let message = Checkpoint::open(&folder.path().join("gone.ckpt")).err().unwrap().to_string();
    assert!(message.contains("gone.ckpt"), "{message}");
}
