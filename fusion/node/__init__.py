"""The fusion node: an asyncio daemon around the pure core (`fusion.core`)."""
