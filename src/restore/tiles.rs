//! Cutting a picture that is too large into overlapping tiles, and blending them again.

/// Context that tiles share. The network pads with zeros at a tile's border, which is felt some
/// hundred pixels inside; there the neighbour's weight is the larger.
const OVERLAP: usize = 192;

/// A tile this small still sees as much picture as overlap.
pub(super) const SMALLEST_TILE: usize = 2 * OVERLAP;

/// Pixels of the largest tile. Beyond this, less overlap no longer makes up for buffers that the
/// system maps anew for every operator: nano does 0.7 megapixels a second at 0.25 megapixels, 0.4
/// at 2, and 0.3 at 8.
const LARGEST_TILE: usize = 2 << 20;

/// Tiles of one size that cover a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    /// Size of each tile, a multiple of the network's.
    pub(super) height: usize,
    /// As `height`.
    pub(super) width: usize,
    /// First row of each row of tiles.
    pub(super) tops: Vec<usize>,
    /// First column of each column of tiles.
    pub(super) lefts: Vec<usize>,
}

impl Tiling {
    /// Tiles of at most `max_pixels` for a picture of `height`×`width` (multiples of `multiple`),
    /// or the whole where that fits. Where even the smallest tile is over the limit it is taken
    /// all the same.
    pub(super) fn plan(height: usize, width: usize, multiple: usize, max_pixels: usize) -> Self {
        if height.saturating_mul(width) <= max_pixels {
            return Self { height, width, tops: vec![0], lefts: vec![0] };
        }
        let max_pixels = max_pixels.min(LARGEST_TILE);
        let square = (max_pixels as f64).sqrt() as usize;
        let fit = |side: usize, limit: usize| {
            let floor = SMALLEST_TILE.next_multiple_of(multiple);
            side.min((limit / multiple * multiple).max(floor))
        };
        // A picture narrower than a square tile leaves room for longer ones.
        let (tile_height, tile_width) = if height <= width {
            let tile_height = fit(height, square);
            (tile_height, fit(width, max_pixels / tile_height))
        } else {
            let tile_width = fit(width, square);
            (fit(height, max_pixels / tile_width), tile_width)
        };
        Self {
            height: tile_height,
            width: tile_width,
            tops: starts(height, tile_height, multiple),
            lefts: starts(width, tile_width, multiple),
        }
    }

    /// Number of tiles.
    pub(super) fn len(&self) -> usize {
        self.tops.len() * self.lefts.len()
    }
}

/// Evenly spread starts of tiles of length `tile` that cover `length` and overlap by about
/// [`OVERLAP`] or more. They are multiples of the network's, so that every tile is sampled as
/// the whole picture is.
fn starts(length: usize, tile: usize, multiple: usize) -> Vec<usize> {
    if tile >= length {
        return vec![0];
    }
    let count = (length - OVERLAP).div_ceil(tile - OVERLAP);
    (0..count).map(|i| i * (length - tile) / (count - 1) / multiple * multiple).collect()
}

/// The weight of each row (or column) of the tile that starts at `start`: 1 inside, and a
/// raised cosine over the overlap with each neighbour. Neighbours' weights add up to 1.
pub(super) fn window(starts: &[usize], index: usize, tile: usize) -> Vec<f32> {
    let start = starts[index];
    // The overlap with the tile before ends where that tile does; that with the next begins
    // where the next does.
    let rise_end = index.checked_sub(1).map(|before| starts[before] + tile);
    let fall_start = starts.get(index + 1).copied();
    (start..start + tile)
        .map(|at| {
            let rise = rise_end.map_or(1.0, |end| middle_ramp(at, start, end));
            let fall = fall_start.map_or(1.0, |begin| 1.0 - middle_ramp(at, begin, start + tile));
            rise * fall
        })
        .collect()
}

/// From 0 to 1 over the middle third of an overlap; in the outer thirds one tile's border is
/// near, and the other tile alone counts.
fn middle_ramp(at: usize, from: usize, to: usize) -> f32 {
    let margin = (to - from) / 3;
    ramp(at, from + margin, to - margin)
}

/// From 0 before `from` to 1 after `to`, as a raised cosine.
fn ramp(at: usize, from: usize, to: usize) -> f32 {
    if at < from {
        return 0.0;
    }
    if at >= to {
        return 1.0;
    }
    let t = (at - from) as f32 + 0.5;
    0.5 - 0.5 * (std::f32::consts::PI * t / (to - from) as f32).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_one_everywhere() {
        for (length, tile) in [(1008, 400), (1024, 512), (4320, 384), (416, 400), (528, 512)] {
            let starts = starts(length, tile, 16);
            let mut sum = vec![0.0_f32; length];
            for (index, &start) in starts.iter().enumerate() {
                for (offset, weight) in window(&starts, index, tile).into_iter().enumerate() {
                    sum[start + offset] += weight;
                }
            }
            assert!(sum.iter().all(|total| (total - 1.0).abs() < 1e-5), "{length} by {tile}: {starts:?}");
        }
    }

    #[test]
    fn tiles_stay_within_the_limit_and_cover_the_picture() {
        for (height, width, limit) in [(4320, 7680, 1_000_000), (2000, 320, 300_000), (64, 29_984, 262_144)] {
            let tiling = Tiling::plan(height, width, 16, limit);
            assert!(tiling.height * tiling.width <= limit, "{tiling:?}");
            assert_eq!(tiling.tops.last().unwrap() + tiling.height, height);
            assert_eq!(tiling.lefts.last().unwrap() + tiling.width, width);
            assert!(tiling.len() > 1);
        }
        assert_eq!(Tiling::plan(512, 512, 16, 512 * 512).len(), 1);
    }
}
