// What is a macro, a layout or a table of function pointers in intel-ipsec-mb.h, as plain symbols.

#include <stddef.h>
#include <stdint.h>
#include <intel-ipsec-mb.h>

#if IMB_VERSION_NUM < 0x10300
#error "libIPSec_MB 1.3 or later is needed"
#endif

struct ipsec_mb_gcm256 {
    aes_gcm_pre_t expand;
    aes_gcm_enc_dec_t encrypt;
    aes_gcm_enc_dec_t decrypt;
    uint64_t key_bytes;
    uint64_t context_bytes;
};

// The functions for this processor, chosen by the library; 0 where it has no AES instructions.
int ipsec_mb_shim_gcm256(struct ipsec_mb_gcm256 *out)
{
    IMB_MGR *manager = alloc_mb_mgr(0);
    if (manager == NULL)
        return 0;
    IMB_ARCH arch = IMB_ARCH_NONE;
    init_mb_mgr_auto(manager, &arch);
    int usable = (manager->features & IMB_FEATURE_AESNI) != 0 && imb_get_errno(manager) == 0 &&
                 manager->gcm256_pre != NULL && manager->gcm256_enc != NULL && manager->gcm256_dec != NULL;
    if (usable) {
        out->expand = manager->gcm256_pre;
        out->encrypt = manager->gcm256_enc;
        out->decrypt = manager->gcm256_dec;
        out->key_bytes = sizeof(struct gcm_key_data);
        out->context_bytes = sizeof(struct gcm_context_data);
    }
    free_mb_mgr(manager);
    return usable;
}
