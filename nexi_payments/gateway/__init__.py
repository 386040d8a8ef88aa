"""Client for Nexi's NPG gateway: HTTP and Nexi's values. It imports no Django."""
