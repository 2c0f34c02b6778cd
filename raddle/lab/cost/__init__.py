"""What a fabric is built of, and what that costs at somebody's prices."""
