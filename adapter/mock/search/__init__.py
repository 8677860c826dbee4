"""Search: values out of resources into index rows, values out of requests into SQL, results into pages."""
