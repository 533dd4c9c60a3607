"""The prediction server: raw ASGI on uvicorn. It loads no training library, no data frames and no control plane."""
