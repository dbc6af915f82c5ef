/** The dial of keras-tnn in a browser: bundles that `tnn_tflite.convert` wrote, run by LiteRT.js. */

export { Dispatcher } from "./dispatch/dispatcher.js";
export { dequantize, quantize } from "./quantized_values.js";
export { topClasses } from "./dispatch/top_classes.js";
export { BundleError } from "./errors.js";
export { fromUrl } from "./bundle/from_url.js";
export { Escalate } from "./policies/escalate.js";
export { Fixed } from "./policies/fixed.js";
export { LatencyBudget } from "./policies/latency_budget.js";
export { LatencyTarget } from "./policies/latency_target.js";
