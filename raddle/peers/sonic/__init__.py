"""SONiC switches as they stand -> a fabric file that adopts them."""
