SECRET_KEY = "of this example only"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["shop"]
ROOT_URLCONF = "urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "data/shop.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
