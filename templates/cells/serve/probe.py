# One real operation on the GPU, before anything large is fetched.
from rodizio_serving.gpu import probe

probe(REQUIRE_GPU)  # noqa: F821
