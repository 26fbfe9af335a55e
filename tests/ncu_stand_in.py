"""A program that answers as ``ncu`` does, where there is no GPU, and a report recorded on an H100."""

from pathlib import Path

from harness.machine import Profiler

RECORDED = Path(__file__).parent / "ncu" / "current_code_h100.csv"
QUERY = """Chip gh100
----------- ------- ------- -----------
Metric Name  Metric Type  Metric Unit  Metric Description
dram__bytes_read  Counter  byte  # of bytes read from DRAM
dram__throughput  Throughput  %  DRAM throughput
gpu__time_duration  Counter  ns  incremental duration in nanoseconds
lts__t_sector_hit_rate  Ratio    # of sector hits per sector
sm__throughput  Throughput  %  SM throughput
sm__warps_active  Counter  warp  cumulative # of warps in flight
"""


def stand_in(folder, *, answer="exit 0", query=QUERY):
    """Write a program that answers as ``ncu`` does."""
    (folder / "query.txt").write_text(query)
    path = folder / "ncu"
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = --query-metrics ]; then cat {folder}/query.txt; exit 0; fi\n{answer}\n'
    )
    path.chmod(0o755)
    return Profiler(path=str(path), version="2025.3", permitted=True)
