"""ROOT_URLCONF: a page of the shop, and nothing of ours."""

urlpatterns: list[object] = []
