"""The questions about Nexi's hosted page that no public document answers.

``nexi_sandbox_hour`` walks a person through them on a terminal of the test environment.
Its notes have result words, numbers and times, and nothing else: no URL of a page, no
token, no card, no name.
"""
