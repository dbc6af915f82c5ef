// The C functions of libLiteRt.so, as the wheel ai-edge-litert 2.3 has them. It ships no headers.
// Where your build has LiteRT's own, or another runtime, define TNN_NO_LITERT and give
// `BasicDispatcher` a program of yours.
#pragma once

#include <cstddef>

#ifndef TNN_NO_LITERT

extern "C" {
int LiteRtCreateEnvironment(int, const void*, void**);
int LiteRtCreateModelFromBuffer(void*, const void*, std::size_t, void**);
void LiteRtDestroyModel(void*);
int LiteRtCreateOptions(void**);
int LiteRtSetOptionsHardwareAccelerators(void*, int);
void LiteRtDestroyOptions(void*);
int LiteRtCreateCompiledModel(void*, void*, void*, void**);
void LiteRtDestroyCompiledModel(void*);
int LiteRtGetNumModelSignatures(void*, std::size_t*);
int LiteRtGetModelSignature(void*, std::size_t, void**);
int LiteRtGetNumSignatureInputs(void*, std::size_t*);
int LiteRtGetSignatureInputName(void*, std::size_t, const char**);
int LiteRtGetSignatureInputTensorByIndex(void*, std::size_t, void**);
int LiteRtGetNumSignatureOutputs(void*, std::size_t*);
int LiteRtGetSignatureOutputName(void*, std::size_t, const char**);
int LiteRtGetSignatureOutputTensorByIndex(void*, std::size_t, void**);
int LiteRtGetRankedTensorType(void*, void*);
int LiteRtGetCompiledModelInputBufferRequirements(void*, std::size_t, std::size_t, void**);
int LiteRtGetCompiledModelOutputBufferRequirements(void*, std::size_t, std::size_t, void**);
int LiteRtCreateManagedTensorBufferFromRequirements(void*, const void*, void*, void**);
void LiteRtDestroyTensorBuffer(void*);
int LiteRtGetTensorBufferPackedSize(void*, std::size_t*);
int LiteRtLockTensorBuffer(void*, void**, int);
int LiteRtUnlockTensorBuffer(void*);
int LiteRtRunCompiledModel(void*, std::size_t, std::size_t, void**, std::size_t, void**);
}

#endif  // TNN_NO_LITERT
