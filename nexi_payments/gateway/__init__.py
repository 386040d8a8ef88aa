"""The client for Nexi's NPG gateway. Knows HTTP and Nexi's words; knows no Django."""
