"""What a multimodal sample is: named arrays and explicit presence masks."""
