"""What one payment costs: ours, the bare baseline, and other packages, side by side.

python -m benchmarks.payment [--short]
"""
