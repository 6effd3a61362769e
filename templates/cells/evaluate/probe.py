# One real operation on the GPU, before anything large is fetched.
from rodizio_evaluating.gpu import probe

probe(REQUIRE_GPU, 'comparing')  # noqa: F821
