export type { Cluster, ClusterRequest, KubeObject, Resource } from "./cluster.ts";

/** As `cluster.ts` does it, which is loaded with the first cluster alone. */
export const openCluster: typeof import("./cluster.ts").openCluster = async (setting, tools) => {
  const cluster = await import("./cluster.ts");
  return cluster.openCluster(setting, tools);
};
