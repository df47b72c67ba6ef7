//! Each kernel alone, on one thread, at the shapes that nano has at 640×360:
//! `cargo bench --bench kernels -- [--quick] [FILTER]`. docs/kernels.md says how to read it.
//!
//! The kernels are private to the library, so their files are compiled in here.

#[allow(dead_code, unused_imports)]
#[path = "../src/backend"]
mod backend {
    pub(crate) mod kernels;
}

use backend::kernels::{Shared, float, int8};
use criterion::{Criterion, Throughput};
use float::{LANES, ROWS};
use int8::{Byte, Output, SLACK, TILE};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A level of nano: channels, those of the gate, pixels in a row, heads.
struct Level {
    channels: usize,
    hidden: usize,
    pixels: usize,
    heads: usize,
}

const LEVELS: [Level; 4] = [
    Level { channels: 12, hidden: 32, pixels: 320, heads: 1 },
    Level { channels: 24, hidden: 64, pixels: 160, heads: 2 },
    Level { channels: 48, hidden: 128, pixels: 80, heads: 4 },
    Level { channels: 96, hidden: 256, pixels: 40, heads: 8 },
];

/// The convolutions of 3×3 between the levels: inputs, outputs, pixels in a row.
const BETWEEN: [[usize; 3]; 4] = [[12, 6, 320], [24, 12, 160], [48, 24, 80], [96, 192, 40]];

/// Rows that a depthwise convolution reads for [`ROWS`].
const KEPT: usize = ROWS + 2;

fn main() {
    let mut suite = Suite {
        criterion: Criterion::default()
            .sample_size(20)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .configure_from_args(),
        peak: peak(50),
    };
    println!("peak: {:.1} GMAC/s of floats on one thread", suite.peak / 1e9);
    suite.products();
    suite.depthwise();
    suite.norms();
    suite.grams();
    suite.int_products();
    suite.int_depthwise();
    suite.gates();
    suite.int_norms();
    suite.int_grams();
    suite.criterion.final_summary();
}

/// Multiply-adds of floats per second on this thread: the best of so many short times, as others may be
/// at work.
fn peak(times: usize) -> f64 {
    let once = |_| float::multiply_adds(float::Form::best(), Duration::from_millis(10));
    (0..times).map(once).fold(0.0, f64::max)
}

/// What one call of a kernel does: multiply-accumulates, or else bytes read and written.
enum Work {
    Macs(usize),
    Bytes(usize),
}

/// All measurements, and the most multiply-adds per second that were seen, which they are held against.
struct Suite {
    criterion: Criterion,
    peak: f64,
}

impl Suite {
    /// Measures one kernel at one shape.
    fn measure(&mut self, kernel: &str, shape: &str, work: &Work, mut call: impl FnMut()) {
        let mut best = f64::INFINITY;
        let mut group = self.criterion.benchmark_group(kernel);
        group.throughput(match *work {
            Work::Macs(count) => Throughput::Elements(count as u64),
            Work::Bytes(count) => Throughput::Bytes(count as u64),
        });
        group.bench_function(shape, |bencher| {
            bencher.iter_custom(|count| {
                let start = Instant::now();
                (0..count).for_each(|_| call());
                let time = start.elapsed();
                best = best.min(time.as_secs_f64() / count as f64);
                time
            });
        });
        group.finish();
        // Not measured where a filter leaves it out.
        if best.is_finite() {
            match *work {
                Work::Macs(count) => {
                    self.peak = self.peak.max(peak(3));
                    let rate = count as f64 / best;
                    let share = 100.0 * rate / self.peak;
                    println!("  at best {:.1} GMAC/s, {share:.0} % of the peak of floats", rate / 1e9);
                }
                Work::Bytes(count) => println!("  at best {:.1} GB/s", count as f64 / best / 1e9),
            }
        }
    }

    /// A product of floats on four rows; `taps` is 1 or 9.
    fn product(&mut self, kernel: &str, [inputs, outputs, pixels]: [usize; 3], taps: usize) {
        // A row of the input has a pixel more on each side, and three rows of them for nine taps.
        let whole = pixels.next_multiple_of(LANES);
        let row = whole + 2 * LANES;
        let [stride, to_stride] = [spread(KEPT * row), spread(ROWS * whole)];
        let weights = floats(outputs * inputs * taps);
        let product = float::Product::new(float::Form::best(), &weights, outputs, inputs, taps);
        let offsets: Vec<usize> = (0..taps).map(|tap| tap / 3 * row + tap % 3).collect();
        let (input, mut output) = (lines(inputs * stride), lines(outputs * to_stride));
        let rows: [float::Row; ROWS] =
            std::array::from_fn(|at| float::Row { input: at * row, output: at * whole, add: 0 });
        let macs = Work::Macs(inputs * outputs * taps * ROWS * pixels);
        self.measure(kernel, &format!("{inputs} to {outputs}, {pixels} px"), &macs, || {
            let run = float::Run {
                input: black_box(&input),
                input_stride: stride,
                taps: &offsets,
                output: &Shared::new(&mut output),
                output_stride: to_stride,
                add: None,
                rows: &rows,
                pixels: whole,
            };
            // SAFETY: there is one thread.
            #[allow(unsafe_code)]
            unsafe {
                product.run(&run);
            }
        });
    }

    fn products(&mut self) {
        for Level { channels, hidden, pixels, .. } in LEVELS {
            self.product("float product 1x1", [channels, 2 * hidden, pixels], 1);
            self.product("float product 1x1", [hidden, channels, pixels], 1);
        }
        for between in BETWEEN {
            self.product("float product 3x3", between, 9);
        }
    }

    /// The depthwise layer of an attention, q, k and v, and that of a GDFN with its gate.
    fn depthwise(&mut self) {
        let form = float::Form::best();
        for Level { channels, hidden, pixels, .. } in LEVELS {
            let whole = pixels.next_multiple_of(LANES);
            let row = whole + 2 * LANES;
            let [stride, to_stride] = [spread(KEPT * row), spread(ROWS * whole)];
            let rows = float::Rows {
                input: std::array::from_fn(|at| at * row + LANES - 1),
                output: 0,
                output_stride: whole,
                count: ROWS,
                pixels: whole,
            };
            let kernel: [f32; 9] = std::array::from_fn(|tap| 0.1 * tap as f32 - 0.4);
            let (input, mut output) = (lines(3 * channels * stride), lines(3 * channels * to_stride));
            let macs = Work::Macs(9 * 3 * channels * ROWS * pixels);
            self.measure("float depthwise", &format!("{} of {pixels} px", 3 * channels), &macs, || {
                let planes = black_box(&input).chunks_exact(stride).zip(output.chunks_exact_mut(to_stride));
                for (from, to) in planes {
                    // SAFETY: there is one thread.
                    #[allow(unsafe_code)]
                    unsafe {
                        float::depthwise(form, &kernel, from, &Shared::new(to), &rows);
                    }
                }
            });
            let (input, mut output) = (lines(2 * hidden * stride), lines(hidden * to_stride));
            let macs = Work::Macs(9 * 2 * hidden * ROWS * pixels);
            self.measure("float depthwise gated", &format!("{hidden} of {pixels} px"), &macs, || {
                let (gates, values) = black_box(&input).split_at(hidden * stride);
                let inputs = gates.chunks_exact(stride).zip(values.chunks_exact(stride));
                for ((gate, value), to) in inputs.zip(output.chunks_exact_mut(to_stride)) {
                    // SAFETY: there is one thread.
                    #[allow(unsafe_code)]
                    unsafe {
                        let to = Shared::new(to);
                        float::depthwise_gated(form, [&kernel; 2], [gate, value], &to, &rows);
                    }
                }
            });
        }
    }

    fn norms(&mut self) {
        for Level { channels, pixels, .. } in LEVELS {
            let whole = pixels.next_multiple_of(LANES);
            let stride = spread(ROWS * whole);
            let norm = float::Norm::new(&vec![1.1; channels], &vec![0.1; channels], 1e-5);
            let (input, mut output) = (lines(channels * stride), lines(channels * stride));
            let bytes = Work::Bytes(2 * size_of::<f32>() * channels * ROWS * pixels);
            self.measure("float norm", &format!("{channels} of {pixels} px"), &bytes, || {
                for row in 0..ROWS {
                    let (from, to) = ((&*input, row * whole, stride), (&mut *output, row * whole, stride));
                    float::norm(float::Form::best(), black_box(&norm), from, to, whole);
                }
            });
        }
    }

    /// q·kᵀ of all heads; the pixels behind a row are zero, as they are in the engine.
    fn grams(&mut self) {
        for Level { channels, pixels, heads, .. } in LEVELS {
            let (whole, per_head) = (pixels.next_multiple_of(LANES), channels / heads);
            let stride = spread(ROWS * whole);
            let (q, k) = (lines(channels * stride), lines(channels * stride));
            let rows: [usize; ROWS] = std::array::from_fn(|row| row * whole);
            let mut sums = vec![0.0; heads * per_head * per_head * LANES];
            let macs = Work::Macs(channels * per_head * ROWS * pixels);
            self.measure("float gram", &format!("{heads} heads of {per_head}, {pixels} px"), &macs, || {
                for (head, sums) in sums.chunks_exact_mut(per_head * per_head * LANES).enumerate() {
                    let first = head * per_head * stride;
                    let [q, k] = [&q, &k].map(|side| float::Side {
                        floats: &black_box(side)[first..],
                        stride,
                        rows: &rows,
                    });
                    float::gram(float::Form::best(), sums, per_head, q, k, whole);
                }
            });
        }
    }

    /// A product of bytes on one row; it gives bytes, or floats that something is added to.
    fn int_product(&mut self, kernel: &str, [inputs, outputs, pixels]: [usize; 3], is_last: bool) {
        let stride = pixels.next_multiple_of(TILE);
        let (weights, biases) = (weights(outputs * inputs), vec![100; outputs]);
        let form = int8::Form::best();
        let product = int8::Product::new(form, &weights, &biases, &vec![1e-3; outputs], 128);
        let input = bytes(inputs * stride);
        let offsets: Vec<usize> = (0..inputs).map(|input| input * stride).collect();
        let (mut to, mut floats_to, add) =
            (vec![0; outputs * stride], lines(outputs * stride), lines(outputs * stride));
        let mut panel = vec![0; product.panel()];
        let macs = Work::Macs(inputs * outputs * pixels);
        self.measure(kernel, &format!("{inputs} to {outputs}, {pixels} px"), &macs, || {
            let rows = int8::Rows { bytes: black_box(&input), offsets: &offsets, element: Byte::U8 };
            let output = if is_last {
                Output::Added { values: Shared::new(&mut floats_to), add: &add }
            } else {
                Output::Bytes { values: Shared::new(&mut to), element: Byte::U8, zero: 128 }
            };
            for start in (0..pixels).step_by(TILE) {
                let count = TILE.min(pixels - start);
                // SAFETY: there is one thread.
                #[allow(unsafe_code)]
                unsafe {
                    product.tile(&rows, start, count, &output, (start, stride), &mut panel);
                }
            }
        });
    }

    fn int_products(&mut self) {
        for Level { channels, hidden, pixels, .. } in LEVELS {
            self.int_product("int8 product to bytes", [channels, 2 * hidden, pixels], false);
            self.int_product("int8 product to floats", [hidden, channels, pixels], true);
        }
    }

    fn int_depthwise(&mut self) {
        for Level { hidden, pixels, .. } in LEVELS {
            let channels = 2 * hidden;
            let row = (TILE + pixels + SLACK).next_multiple_of(TILE);
            let to_row = pixels.next_multiple_of(TILE);
            let (kernels, biases) = (weights(9 * channels), vec![100; channels]);
            let form = int8::Form::best();
            let layer = int8::Depthwise::new(form, &kernels, &biases, &vec![1e-2; channels], 128);
            let input = bytes(channels * KEPT * row);
            let mut to = vec![0; channels * ROWS * to_row];
            let starts = std::array::from_fn(|at| at * row + LANES - 1);
            let macs = Work::Macs(9 * channels * ROWS * pixels);
            self.measure("int8 depthwise", &format!("{channels} of {pixels} px"), &macs, || {
                let planes =
                    black_box(&input).chunks_exact(KEPT * row).zip(to.chunks_exact_mut(ROWS * to_row));
                for (channel, (from, to)) in planes.enumerate() {
                    let output = Output::Bytes { values: Shared::new(to), element: Byte::U8, zero: 128 };
                    // SAFETY: there is one thread.
                    #[allow(unsafe_code)]
                    unsafe {
                        layer.rows(channel, from, starts, ROWS, pixels, &output, 0, to_row);
                    }
                }
            });
        }
    }

    fn gates(&mut self) {
        for Level { hidden, pixels, .. } in LEVELS {
            let length = ROWS * pixels.next_multiple_of(TILE);
            let gate = int8::Gate::new(int8::Form::best(), (0.02, 128), (0.02, 128), Some((0.03, 128)));
            let (a, b, mut to) = (bytes(hidden * length), bytes(hidden * length), vec![0; hidden * length]);
            let work = Work::Bytes(3 * hidden * length);
            self.measure("int8 gate", &format!("{hidden} of {pixels} px"), &work, || {
                let rows = a.chunks_exact(length).zip(b.chunks_exact(length));
                for ((a, b), to) in rows.zip(to.chunks_exact_mut(length)) {
                    gate.row(black_box(a), b, to);
                }
            });
        }
    }

    fn int_norms(&mut self) {
        for Level { channels, pixels, .. } in LEVELS {
            let [stride, to_stride] = [pixels.next_multiple_of(LANES) + LANES, pixels.next_multiple_of(TILE)];
            let (gain, bias) = (vec![1.1; channels], vec![0.1; channels]);
            let norm = int8::NormBytes::new(int8::Form::best(), &gain, &bias, 1e-5, 0.03, 128);
            let (input, mut to) = (lines(channels * stride), vec![0; channels * to_stride]);
            // Floats in, bytes out.
            let work = Work::Bytes((size_of::<f32>() + 1) * channels * pixels);
            self.measure("int8 norm", &format!("{channels} of {pixels} px"), &work, || {
                norm.row(black_box(&input), 0, stride, &mut to, to_stride, pixels);
            });
        }
    }

    fn int_grams(&mut self) {
        for Level { channels, pixels, heads, .. } in LEVELS {
            let (row, per_head) = (pixels.next_multiple_of(TILE), channels / heads);
            let stride = ROWS * row;
            let (q, k) = (bytes(channels * stride), bytes(channels * stride));
            let rows: [usize; ROWS] = std::array::from_fn(|at| at * row);
            let mut gram = int8::Gram::new(int8::Form::best(), heads, per_head);
            let macs = Work::Macs(channels * per_head * ROWS * pixels);
            self.measure("int8 gram", &format!("{heads} heads of {per_head}, {pixels} px"), &macs, || {
                let [q, k] = [&q, &k].map(|side| int8::Side { bytes: black_box(side), stride, rows: &rows });
                gram.add(q, k, pixels);
            });
        }
    }
}

/// An odd number of lines of the cache, as the engine has them between channels.
fn spread(floats: usize) -> usize {
    (floats.div_ceil(LANES) | 1) * LANES
}

/// Numbers of about -1 to 1.
fn floats(count: usize) -> Vec<f32> {
    (0..count).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

/// As [`floats`], beginning on a line of the cache.
fn lines(count: usize) -> Lines {
    let floats = floats(count + LANES);
    let first = floats.as_ptr().align_offset(64).min(LANES);
    Lines { floats, range: first..first + count }
}

/// Floats that begin on a line of the cache.
struct Lines {
    floats: Vec<f32>,
    range: std::ops::Range<usize>,
}

impl std::ops::Deref for Lines {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.floats[self.range.clone()]
    }
}

impl std::ops::DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.floats[self.range.clone()]
    }
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 37 % 251) as u8).collect()
}

fn weights(count: usize) -> Vec<i8> {
    bytes(count).into_iter().map(|byte| byte as i8).collect()
}
