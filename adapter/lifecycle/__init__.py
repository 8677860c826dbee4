"""What becomes of a record after it was taken: it is invalidated, fetched by others, and a consent has a life."""
