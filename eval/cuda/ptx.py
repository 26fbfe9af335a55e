"""The few GPU programs that the timed exchange needs, as PTX text that every driver since CUDA 11 takes.

`cipher` writes Philox4x32-10's stream, XORed with what is there: inputs are hidden with it until their
call begins, and the same program shows them. Under a key of zeros it takes as long and changes nothing.
`wait` holds a stream until the judge has opened a gate in host memory, and fetches the key that lies there.
`tell` says in host memory how far a stream has come. `sweep` reads a range, so that the L2 holds clean lines
of something else. `spin` lasts for a time that it says itself.

Philox: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

_ROUNDS = 10
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_STEPS = 0x9E3779B9, 0xBB67AE85
_PATIENCE_NS = 100_000_000_000
"""How long a stream waits for a judge that is gone."""

_HEAD = """.version 7.0
.target sm_70
.address_size 64
"""

_INDEX = """
    mov.u32 %r20, %ctaid.x;
    mov.u32 %r21, %ntid.x;
    mov.u32 %r22, %tid.x;
    mov.u32 %r23, %nctaid.x;
    mul.wide.u32 %rd10, %r20, %r21;
    cvt.u64.u32 %rd11, %r22;
    add.u64 %rd10, %rd10, %rd11;
    mul.wide.u32 %rd12, %r23, %r21;
"""
"""%rd10 is the first vector of a thread, %rd12 the step to its next."""


def _rounds() -> str:
    """Encrypt the counter in %r0 to %r3 under the key in %r4 and %r5."""
    lines = []
    for index in range(_ROUNDS):
        if index:
            lines += [f"add.u32 %r4, %r4, {_STEPS[0]};", f"add.u32 %r5, %r5, {_STEPS[1]};"]
        lines += [
            f"mul.hi.u32 %r6, %r0, {_MULTIPLIERS[0]};", f"mul.lo.u32 %r7, %r0, {_MULTIPLIERS[0]};",
            f"mul.hi.u32 %r8, %r2, {_MULTIPLIERS[1]};", f"mul.lo.u32 %r9, %r2, {_MULTIPLIERS[1]};",
            "xor.b32 %r0, %r8, %r1;", "xor.b32 %r0, %r0, %r4;", "mov.b32 %r1, %r9;",
            "xor.b32 %r2, %r6, %r3;", "xor.b32 %r2, %r2, %r5;", "mov.b32 %r3, %r7;",
        ]  # fmt: skip
    return "\n".join("    " + line for line in lines)


_CIPHER = f"""
.visible .entry cipher(
    .param .u64 target, .param .u64 source, .param .u64 vectors, .param .u64 key, .param .u32 tweak)
{{
    .reg .pred %p<2>;
    .reg .b32 %r<32>;
    .reg .b64 %rd<20>;
    ld.param.u64 %rd1, [target];
    ld.param.u64 %rd2, [source];
    ld.param.u64 %rd3, [vectors];
    ld.param.u64 %rd4, [key];
    ld.param.u32 %r19, [tweak];
    cvta.to.global.u64 %rd1, %rd1;
    cvta.to.global.u64 %rd2, %rd2;
    cvta.to.global.u64 %rd4, %rd4;
    ld.global.v4.u32 {{%r10, %r11, %r12, %r13}}, [%rd4];
    or.b32 %r14, %r10, %r11;
    or.b32 %r15, %r12, %r13;
    or.b32 %r14, %r14, %r15;
    setp.ne.u32 %p1, %r14, 0;
    selp.b32 %r14, 0xFFFFFFFF, 0, %p1;
    xor.b32 %r12, %r12, %r19;
{_INDEX}
NEXT:
    setp.ge.u64 %p1, %rd10, %rd3;
    @%p1 bra DONE;
    shl.b64 %rd13, %rd10, 4;
    add.u64 %rd14, %rd2, %rd13;
    add.u64 %rd15, %rd1, %rd13;
    ld.global.v4.u32 {{%r24, %r25, %r26, %r27}}, [%rd14];
    mov.b64 {{%r0, %r1}}, %rd10;
    mov.b32 %r2, %r12;
    mov.b32 %r3, %r13;
    mov.b32 %r4, %r10;
    mov.b32 %r5, %r11;
{_rounds()}
    and.b32 %r0, %r0, %r14;
    and.b32 %r1, %r1, %r14;
    and.b32 %r2, %r2, %r14;
    and.b32 %r3, %r3, %r14;
    xor.b32 %r24, %r24, %r0;
    xor.b32 %r25, %r25, %r1;
    xor.b32 %r26, %r26, %r2;
    xor.b32 %r27, %r27, %r3;
    st.global.v4.u32 [%rd15], {{%r24, %r25, %r26, %r27}};
    add.u64 %rd10, %rd10, %rd12;
    bra NEXT;
DONE:
    ret;
}}
"""

_SWEEP = f"""
.visible .entry sweep(.param .u64 source, .param .u64 vectors, .param .u64 unused)
{{
    .reg .pred %p<3>;
    .reg .b32 %r<32>;
    .reg .b64 %rd<20>;
    ld.param.u64 %rd1, [source];
    ld.param.u64 %rd3, [vectors];
    ld.param.u64 %rd4, [unused];
    cvta.to.global.u64 %rd1, %rd1;
    cvta.to.global.u64 %rd4, %rd4;
    mov.u32 %r9, 0;
{_INDEX}
NEXT:
    setp.ge.u64 %p1, %rd10, %rd3;
    @%p1 bra DONE;
    shl.b64 %rd13, %rd10, 4;
    add.u64 %rd14, %rd1, %rd13;
    ld.global.v4.u32 {{%r24, %r25, %r26, %r27}}, [%rd14];
    xor.b32 %r24, %r24, %r25;
    xor.b32 %r26, %r26, %r27;
    xor.b32 %r24, %r24, %r26;
    or.b32 %r9, %r9, %r24;
    add.u64 %rd10, %rd10, %rd12;
    bra NEXT;
DONE:
    setp.eq.u32 %p2, %r9, 0x7FEDCBA9;
    @%p2 st.global.u32 [%rd4], %r9;
    ret;
}}
"""
"""The store never comes in practice; without it the reads would be left out."""

_WAIT = f"""
.visible .entry wait(.param .u64 gate, .param .u32 wanted, .param .u64 host_key, .param .u64 key)
{{
    .reg .pred %p<3>;
    .reg .b32 %r<4>;
    .reg .b64 %rd<12>;
    ld.param.u64 %rd1, [gate];
    ld.param.u32 %r1, [wanted];
    ld.param.u64 %rd2, [host_key];
    ld.param.u64 %rd3, [key];
    cvta.to.global.u64 %rd1, %rd1;
    cvta.to.global.u64 %rd2, %rd2;
    cvta.to.global.u64 %rd3, %rd3;
    mov.u64 %rd4, %globaltimer;
LOOK:
    ld.acquire.sys.global.u32 %r2, [%rd1];
    setp.ge.u32 %p1, %r2, %r1;
    @%p1 bra OPEN;
    mov.u64 %rd5, %globaltimer;
    sub.u64 %rd5, %rd5, %rd4;
    setp.lt.u64 %p2, %rd5, {_PATIENCE_NS};
    @%p2 bra LOOK;
OPEN:
    ld.volatile.global.u64 %rd6, [%rd2];
    ld.volatile.global.u64 %rd7, [%rd2+8];
    st.global.u64 [%rd3], %rd6;
    st.global.u64 [%rd3+8], %rd7;
    ret;
}}
"""

_TELL = """
.visible .entry tell(.param .u64 place, .param .u32 value)
{
    .reg .b32 %r<2>;
    .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [place];
    ld.param.u32 %r1, [value];
    cvta.to.global.u64 %rd1, %rd1;
    fence.acq_rel.sys;
    st.release.sys.global.u32 [%rd1], %r1;
    ret;
}
"""

_SPIN = """
.visible .entry spin(.param .u64 place, .param .u32 wanted)
{
    .reg .pred %p<2>;
    .reg .b32 %r<3>;
    .reg .b64 %rd<6>;
    ld.param.u64 %rd1, [place];
    ld.param.u32 %r1, [wanted];
    cvta.to.global.u64 %rd1, %rd1;
    cvt.u64.u32 %rd2, %r1;
    mov.u64 %rd3, %globaltimer;
LOOK:
    mov.u64 %rd4, %globaltimer;
    sub.u64 %rd5, %rd4, %rd3;
    setp.lt.u64 %p1, %rd5, %rd2;
    @%p1 bra LOOK;
    cvt.u32.u64 %r2, %rd5;
    st.global.u32 [%rd1], %r2;
    ret;
}
"""

PROGRAMS = _HEAD + _CIPHER + _SWEEP + _WAIT + _TELL + _SPIN
