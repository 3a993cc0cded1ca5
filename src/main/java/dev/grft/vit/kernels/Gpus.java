package dev.grft.vit.kernels;

import dev.grft.UserError;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.nd4j.linalg.api.environment.Nd4jEnvironment;

/**
 * Which GPUs ND4J can compute on. Its backend for CUDA 11.6 (1.0.0-M2.1) has machine code for compute capability 3.7, 5.0, 5.2, 6.0,
 * 6.1, 7.0, 7.5, 8.0 and 8.6, which newer GPUs of the same major number run too, and no PTX, from which a driver could make code for
 * other ones: on a Hopper it cannot even make an array.
 */
final class Gpus {
    private static final int NEWEST_MAJOR = 8;

    private Gpus() {}

    /**
     * Refuses GPUs that are too new.
     *
     * @param environment what {@code getEnvironmentInformation()} of ND4J's executioner tells of its backend
     */
    static void require(Properties environment) {
        Object devices = environment.get(Nd4jEnvironment.CUDA_DEVICE_INFORMATION_KEY);
        for (Object device : devices instanceof List<?> all ? all : List.of()) {
            Map<?, ?> gpu = (Map<?, ?>) device;
            int major = number(gpu, Nd4jEnvironment.CUDA_DEVICE_MAJOR_VERSION_KEY);
            if (major > NEWEST_MAJOR) {
                throw UserError.of(
                        "the GPU %s has compute capability %d.%d, and ND4J's CUDA backend has code for 3.7 to 8.9 only (V100, T4, A100,"
                                + " A10, L4, L40); use such a GPU, hide this one by CUDA_VISIBLE_DEVICES, or compute on the CPU with the"
                                + " build without -Pcuda",
                        String.valueOf(gpu.get(Nd4jEnvironment.CUDA_DEVICE_NAME_KEY)),
                        major,
                        number(gpu, Nd4jEnvironment.CUDA_DEVICE_MINOR_VERSION_KEY));
            }
        }
    }

    private static int number(Map<?, ?> gpu, String key) {
        return Integer.parseInt(String.valueOf(gpu.get(key)));
    }
}
