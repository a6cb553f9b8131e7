"""Third-party objects, made unbound and bound in app.py. Imports nothing of ours."""

from flask_cors import CORS
from flask_jwt_extended import JWTManager
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

jwt = JWTManager()
cors = CORS()
limiter = Limiter(get_remote_address)  # utils.web writes the headers: its own send Retry-After with every answer
