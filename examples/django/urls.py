from django.http import HttpResponse
from django.urls import path

from shop.models import Item


def items(request):
    return HttpResponse(f"release 1, {Item.objects.count()} items\n")


urlpatterns = [path("", items)]
