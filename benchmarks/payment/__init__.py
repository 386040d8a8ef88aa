"""What one payment costs: ours, the bare floor, and other packages, side by side.

python -m benchmarks.payment [--short]
"""
