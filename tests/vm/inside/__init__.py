"""What runs in the virtual machine."""
