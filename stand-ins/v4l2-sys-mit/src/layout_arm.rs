#[allow(clippy::unnecessary_operation, clippy::identity_op)]
const _: () = {
    ["Size of timeval"][::std::mem::size_of::<timeval>() - 8usize];
    ["Alignment of timeval"][::std::mem::align_of::<timeval>() - 4usize];
    ["Offset of field: timeval::tv_usec"][::std::mem::offset_of!(timeval, tv_usec) - 4usize];
    ["Size of v4l2_edid"][::std::mem::size_of::<v4l2_edid>() - 36usize];
    ["Alignment of v4l2_edid"][::std::mem::align_of::<v4l2_edid>() - 4usize];
    ["Size of v4l2_plane__bindgen_ty_1"]
        [::std::mem::size_of::<v4l2_plane__bindgen_ty_1>() - 4usize];
    ["Alignment of v4l2_plane__bindgen_ty_1"]
        [::std::mem::align_of::<v4l2_plane__bindgen_ty_1>() - 4usize];
    ["Size of v4l2_plane"][::std::mem::size_of::<v4l2_plane>() - 60usize];
    ["Alignment of v4l2_plane"][::std::mem::align_of::<v4l2_plane>() - 4usize];
    ["Offset of field: v4l2_plane::data_offset"]
        [::std::mem::offset_of!(v4l2_plane, data_offset) - 12usize];
    ["Offset of field: v4l2_plane::reserved"]
        [::std::mem::offset_of!(v4l2_plane, reserved) - 16usize];
    ["Size of v4l2_buffer__bindgen_ty_1"]
        [::std::mem::size_of::<v4l2_buffer__bindgen_ty_1>() - 4usize];
    ["Alignment of v4l2_buffer__bindgen_ty_1"]
        [::std::mem::align_of::<v4l2_buffer__bindgen_ty_1>() - 4usize];
    ["Size of v4l2_buffer"][::std::mem::size_of::<v4l2_buffer>() - 68usize];
    ["Alignment of v4l2_buffer"][::std::mem::align_of::<v4l2_buffer>() - 4usize];
    ["Offset of field: v4l2_buffer::timestamp"]
        [::std::mem::offset_of!(v4l2_buffer, timestamp) - 20usize];
    ["Offset of field: v4l2_buffer::timecode"]
        [::std::mem::offset_of!(v4l2_buffer, timecode) - 28usize];
    ["Offset of field: v4l2_buffer::sequence"]
        [::std::mem::offset_of!(v4l2_buffer, sequence) - 44usize];
    ["Offset of field: v4l2_buffer::memory"][::std::mem::offset_of!(v4l2_buffer, memory) - 48usize];
    ["Offset of field: v4l2_buffer::m"][::std::mem::offset_of!(v4l2_buffer, m) - 52usize];
    ["Offset of field: v4l2_buffer::length"][::std::mem::offset_of!(v4l2_buffer, length) - 56usize];
    ["Offset of field: v4l2_buffer::reserved2"]
        [::std::mem::offset_of!(v4l2_buffer, reserved2) - 60usize];
    ["Size of v4l2_framebuffer"][::std::mem::size_of::<v4l2_framebuffer>() - 44usize];
    ["Alignment of v4l2_framebuffer"][::std::mem::align_of::<v4l2_framebuffer>() - 4usize];
    ["Offset of field: v4l2_framebuffer::fmt"]
        [::std::mem::offset_of!(v4l2_framebuffer, fmt) - 12usize];
    ["Size of v4l2_clip"][::std::mem::size_of::<v4l2_clip>() - 20usize];
    ["Alignment of v4l2_clip"][::std::mem::align_of::<v4l2_clip>() - 4usize];
    ["Size of v4l2_window"][::std::mem::size_of::<v4l2_window>() - 40usize];
    ["Alignment of v4l2_window"][::std::mem::align_of::<v4l2_window>() - 4usize];
    ["Offset of field: v4l2_window::clipcount"]
        [::std::mem::offset_of!(v4l2_window, clipcount) - 28usize];
    ["Offset of field: v4l2_window::bitmap"][::std::mem::offset_of!(v4l2_window, bitmap) - 32usize];
    ["Offset of field: v4l2_window::global_alpha"]
        [::std::mem::offset_of!(v4l2_window, global_alpha) - 36usize];
    ["Size of v4l2_ext_controls"][::std::mem::size_of::<v4l2_ext_controls>() - 24usize];
    ["Alignment of v4l2_ext_controls"][::std::mem::align_of::<v4l2_ext_controls>() - 4usize];
    ["Offset of field: v4l2_ext_controls::controls"]
        [::std::mem::offset_of!(v4l2_ext_controls, controls) - 20usize];
    ["Alignment of v4l2_format__bindgen_ty_1"]
        [::std::mem::align_of::<v4l2_format__bindgen_ty_1>() - 4usize];
    ["Size of v4l2_format"][::std::mem::size_of::<v4l2_format>() - 204usize];
    ["Alignment of v4l2_format"][::std::mem::align_of::<v4l2_format>() - 4usize];
    ["Offset of field: v4l2_format::fmt"][::std::mem::offset_of!(v4l2_format, fmt) - 4usize];
};
