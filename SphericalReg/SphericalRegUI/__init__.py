"""The panel of the module SphericalReg, one class a file. Nothing here imports torch or the engine at file scope."""
